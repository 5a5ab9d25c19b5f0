#!/bin/sh
# Makes the root of a builder machine from locked .deb files, in fresh namespaces, with a few tools outside it: tar, xz, mount and coreutils.
# Environment: TARGET (empty folder), STORE (the store's folder of files), LIST (file with a line for each package:
#   "<path below STORE> <offset of data member> <its size>").
# Source: Debian Policy 6 (maintainer scripts) and deb(5). First tar unpacks all packages, then dpkg installs all: this order
# lets dpkg run in a root that had no dpkg.
set -eu
umask 022

cd "$TARGET"
# Debian 12 has a merged /usr (usrmerge): create the links first, and let tar keep them (--keep-directory-symlink).
mkdir -p usr/bin usr/sbin usr/lib usr/lib64
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$dir"; done
while read -r deb offset size; do
  tail -c "+$((offset + 1))" "$STORE/$deb" | head -c "$size" | xz -dc |
    tar -x -p --numeric-owner --keep-directory-symlink
done <"$LIST"

mkdir -p var/lib/dpkg/info var/lib/dpkg/updates var/lib/dpkg/triggers dev proc run/debs
: >var/lib/dpkg/status
: >var/lib/dpkg/available
cp usr/share/base-passwd/passwd.master etc/passwd
cp usr/share/base-passwd/group.master etc/group
printf '#!/bin/sh\nexit 101\n' >usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d

mount -t proc proc proc
# Mode 755, not tmpfs's default 1777. In a sticky folder the kernel refuses to open a file for writing with O_CREAT if it
# belongs neither to the process nor to the folder's owner (fs.protected_regular). In a user namespace the host's nodes belong
# to the user nobody.
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do
  : >"dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
mount --bind "$STORE" run/debs
cut -d' ' -f1 "$LIST" | sed 's|^|/run/debs/|' >run/list
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
inside() { chroot . /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
# shellcheck disable=SC2046 # one argument per line; store paths contain no spaces
inside dpkg --install --force-depends --force-unsafe-io $(cat run/list)
inside dpkg --configure --pending
inside dpkg --audit

umount run/debs
rm -r run/list run/debs
rm -rf var/log/* etc/ssh/ssh_host_*
: >etc/machine-id
cat >etc/apt/apt.conf.d/90livelab <<'CONF'
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::http::Proxy "false";
Acquire::Retries "0";
DPkg::Options { "--force-unsafe-io"; };
CONF
: >etc/apt/sources.list

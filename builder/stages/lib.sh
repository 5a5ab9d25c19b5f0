# shellcheck shell=sh
# Variables and functions of all stages; each stage sources this file first. Environment, set by builder/stages/stage-run.ts:
#   STAMP RELEASE SOURCE_DATE_EPOCH GATEWAY, and the variables of each stage in builder/stages/stages.ts.
# CHROOT IMAGE SCRATCH are folders of the release.
set -eu
umask 022
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
CHROOT=$RELEASE/chroot
# shellcheck disable=SC2034 # used by the stages that source this
IMAGE=$RELEASE/image
# shellcheck disable=SC2034
SCRATCH=$RELEASE/scratch

# say TEXT...: prints one line of progress.
say() { printf 'livelab: %s\n' "$*" >&2; }

fail() {
  printf 'livelab: error: %s\n' "$*" >&2
  exit 1
}

# in_chroot COMMAND...: runs a command in the image's root with the kernel's file systems mounted, and unmounts them.
# INITRD=No keeps the kernel hook of initramfs-tools from making an initramfs; postinstall makes it.
in_chroot() {
  for fs in proc sys dev; do
    mountpoint -q "$CHROOT/$fs" || mount --rbind "/$fs" "$CHROOT/$fs"
  done
  status=0
  chroot "$CHROOT" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root \
    DEBIAN_FRONTEND="$DEBIAN_FRONTEND" DEBCONF_NONINTERACTIVE_SEEN="$DEBCONF_NONINTERACTIVE_SEEN" \
    SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" INITRD=No "$@" || status=$?
  for fs in dev sys proc; do umount -R -l "$CHROOT/$fs"; done
  return "$status"
}

# install_packages PACKAGE...: installs packages from the lock set "image" into the image's root.
install_packages() {
  in_chroot apt-get -q -y -o APT::Install-Recommends=false -o Dpkg::Use-Pty=0 install "$@"
}

# fetch PATH TARGET: downloads one file of the lock from the gateway.
fetch() {
  curl --silent --show-error --fail --output "$2" "$GATEWAY/$1" || fail "cannot fetch $1 from the gateway"
}

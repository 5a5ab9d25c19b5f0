#!/bin/sh
# create_bootstrap: makes the smallest Debian root with apt from the lock set "image", with the tool that BOOTSTRAP names.
. "$(dirname "$0")/lib.sh"

by_mmdebstrap() {
  mmdebstrap --mode=root --variant=apt --format=directory --skip=cleanup/apt,cleanup/reproducible \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Sandbox::User "root"' --dpkgopt=force-unsafe-io \
    "$SUITE" "$CHROOT" "deb [trusted=yes] $GATEWAY/image/ ./"
}

# Makes the same root without mmdebstrap, and without the few files that name it: merges /usr, unpacks all packages, then
# installs them with the image's own dpkg. The builder machine's apt finds the dependencies of the essential packages.
by_dpkg() {
  for dir in bin lib lib64 sbin; do
    mkdir -p "$CHROOT/usr/$dir"
    ln -s "usr/$dir" "$CHROOT/$dir"
  done
  archives=$CHROOT/var/cache/apt/archives
  mkdir -p "$archives/partial" "$CHROOT/etc/apt/apt.conf.d" "$CHROOT/var/lib/dpkg/updates" "$CHROOT/var/lib/dpkg/triggers"
  : >"$CHROOT/var/lib/dpkg/status"
  : >"$CHROOT/var/lib/dpkg/available"
  printf 'deb [trusted=yes] %s/image/ ./\n' "$GATEWAY" >"$CHROOT/etc/apt/sources.list"
  printf 'Acquire::Languages "none";\nAPT::Sandbox::User "root";\n' >"$CHROOT/etc/apt/apt.conf.d/99livelab"

  cp "$CHROOT/etc/apt/sources.list" /etc/apt/sources.list
  apt-get -q update
  # shellcheck disable=SC2086 # ESSENTIAL is a list of words
  apt-get -q -y -o Dir::State::Status="$CHROOT/var/lib/dpkg/status" -o Dir::Cache::Archives="$archives" \
    -o APT::Install-Recommends=false --download-only install $ESSENTIAL
  for deb in "$archives"/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x -p --numeric-owner --keep-directory-symlink -C "$CHROOT"
  done
  cp "$CHROOT/usr/share/base-passwd/passwd.master" "$CHROOT/etc/passwd"
  cp "$CHROOT/usr/share/base-passwd/group.master" "$CHROOT/etc/group"
  in_chroot sh -c 'dpkg --install --force-depends --force-unsafe-io /var/cache/apt/archives/*.deb'
  in_chroot dpkg --configure --pending
  rm -r "$archives"
  mkdir -p "$archives/partial"
  in_chroot apt-get -q update
}

mkdir -p "$CHROOT" "$IMAGE" "$SCRATCH"
"by_$BOOTSTRAP"

# A build as root of the host leaves device nodes, other builds do not. Delete them, and reset the time of dev, so that both
# builds are equal. The image does not need these nodes.
find "$CHROOT/dev" -mindepth 1 -delete
touch "$CHROOT/dev"

# No daemon starts while packages are installed (Debian Policy 9.3.3.2, invoke-rc.d).
printf '#!/bin/sh\nexit 101\n' >"$CHROOT/usr/sbin/policy-rc.d"
chmod 755 "$CHROOT/usr/sbin/policy-rc.d"

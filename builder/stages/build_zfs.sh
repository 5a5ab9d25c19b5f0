#!/bin/sh
# build_zfs: installs the ZFS userland from the lock, and the kernel modules as one .deb. The gateway serves that .deb if an
# earlier build has stored it; otherwise build_zfs_modules.sh compiles it.
. "$(dirname "$0")/lib.sh"

kernel=$(basename "$CHROOT"/lib/modules/*)
deb=$SCRATCH/zfs-modules.deb
if curl --silent --fail --output "$deb" "$GATEWAY/artifact/zfs-modules.deb"; then
  say "using the stored ZFS modules for $kernel"
else
  sh "$(dirname "$0")/build_zfs_modules.sh" "$kernel" "$deb"
fi
cp "$deb" "$CHROOT/zfs-modules.deb"
# shellcheck disable=SC2086 # ZFS_PACKAGES is a list of words
install_packages /zfs-modules.deb $ZFS_PACKAGES
rm "$CHROOT/zfs-modules.deb"

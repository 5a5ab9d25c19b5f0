#!/bin/sh
# build_zfs: ZFS userland from the lock, and kernel modules as one .deb: from the store when some build made it
# before (the gateway has it), else compiled by build_zfs_modules.sh.
. "$(dirname "$0")/lib.sh"

kernel=$(basename "$CHROOT"/lib/modules/*)
deb=$SCRATCH/zfs-modules.deb
if curl --silent --fail --output "$deb" "$GATEWAY/artifact/zfs-modules.deb"; then
  say "ZFS modules for $kernel are in the store"
else
  sh "$(dirname "$0")/build_zfs_modules.sh" "$kernel" "$deb"
fi
cp "$deb" "$CHROOT/zfs-modules.deb"
# shellcheck disable=SC2086 # ZFS_PACKAGES is a list of words
install_packages /zfs-modules.deb $ZFS_PACKAGES
rm "$CHROOT/zfs-modules.deb"

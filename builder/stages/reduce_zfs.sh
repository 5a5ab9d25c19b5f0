#!/bin/sh
# reduce_zfs: removes files that only the build needed, and checks that the image has the modules and the userland of ZFS.
. "$(dirname "$0")/lib.sh"

kernel=$(basename "$CHROOT"/lib/modules/*)
# These links point into a headers package that the image does not have.
rm -f "$CHROOT/lib/modules/$kernel/build" "$CHROOT/lib/modules/$kernel/source"
rm -rf "$CHROOT/usr/src"/*
# No later stage adds modules.
in_chroot depmod "$kernel"

[ -f "$CHROOT/lib/modules/$kernel/extra/zfs/zfs.ko" ] || fail "no zfs.ko for $kernel in the image"
for program in zfs zpool; do
  [ -x "$CHROOT/usr/sbin/$program" ] || fail "no /usr/sbin/$program in the image"
done
# shellcheck disable=SC2016 # dpkg-query's own variables
in_chroot dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' >"$SCRATCH/packages"
tools=$(awk '$1 ~ /^i/ && $2 ~ /^((gcc|g\+\+)(-[0-9]+)?|make|dkms|zfs-dkms|libc6-dev|linux-(headers|kbuild)-.*)$/ { printf " %s", $2 }' "$SCRATCH/packages")
[ -z "$tools" ] || fail "the image still has build tools:$tools"

#!/bin/sh
# reduce_zfs: what the build alone needed is not in the image; modules and userland are.
. "$(dirname "$0")/lib.sh"

kernel=$(basename "$CHROOT"/lib/modules/*)
# Links into a headers package that the image does not have.
rm -f "$CHROOT/lib/modules/$kernel/build" "$CHROOT/lib/modules/$kernel/source"
rm -rf "$CHROOT/usr/src"/*
# No module comes after these.
in_chroot depmod "$kernel"

[ -f "$CHROOT/lib/modules/$kernel/extra/zfs/zfs.ko" ] || fail "no zfs.ko for $kernel in the image"
for program in zfs zpool; do
  [ -x "$CHROOT/usr/sbin/$program" ] || fail "no /usr/sbin/$program in the image"
done
# shellcheck disable=SC2016 # dpkg-query's own variables
in_chroot dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' >"$SCRATCH/packages"
tools=$(awk '$1 ~ /^i/ && $2 ~ /^((gcc|g\+\+)(-[0-9]+)?|make|dkms|zfs-dkms|libc6-dev|linux-(headers|kbuild)-.*)$/ { printf " %s", $2 }' "$SCRATCH/packages")
[ -z "$tools" ] || fail "build tools are left in the image:$tools"

#!/bin/sh
# prepare_archive_bits: writes kernel, initrd, squashfs, their hashes, and lists of the squashfs' packages, paths and sources
# to image/.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hash.sh"
. "$(dirname "$0")/kernel.sh"
. "$(dirname "$0")/mtree.sh"
. "$(dirname "$0")/sources.sh"

# Top folders that are empty in the squashfs: kernel and initrd are separate files, and the others are mount points.
EMPTY="boot dev proc run sys tmp"

kernel=$(image_kernel)
lang=$(sed -n 's/^LANG=//p' "$CHROOT/etc/default/locale")
# locale(1) lists en_US.UTF-8 as en_US.utf8.
in_chroot locale -a | tr -d - | grep -q -i -x -e "$(echo "$lang" | tr -d -)" ||
  fail "the image has no locale for its LANG=$lang (/etc/default/locale); it has: $(in_chroot locale -a | tr '\n' ' ')"

cp "$CHROOT/boot/vmlinuz-$kernel" "$IMAGE/vmlinuz"
cp "$CHROOT/boot/initrd.img-$kernel" "$IMAGE/initrd"
chmod 644 "$IMAGE/vmlinuz" "$IMAGE/initrd"

# shellcheck disable=SC2016 # dpkg-query's own variables
in_chroot dpkg-query -W -f '${Package} ${Version}\n' >"$SCRATCH/packages"
sort -o "$IMAGE/filesystem.packages" "$SCRATCH/packages"
sources >"$IMAGE/filesystem.sources"

# Runs in parallel with mksquashfs, because it uses one processor. Nothing may be mounted in the root while it runs.
# shellcheck disable=SC2086 # a list of words
mtree "$CHROOT" $EMPTY >"$IMAGE/filesystem.manifest" 2>"$SCRATCH/mtree.errors" &
described=$!

# mksquashfs takes SOURCE_DATE_EPOCH as its own time and as the latest time of any file. Before 4.4 it did not, and the order
# of fragments depended on the order in which its threads ended.
if [ "$SQUASHFS_REPRODUCIBLE" = no ]; then
  find "$CHROOT" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  SQUASHFS_OPTIONS="$SQUASHFS_OPTIONS -no-fragments"
fi
set --
for name in $EMPTY; do set -- "$@" "$name/*"; done
# shellcheck disable=SC2086 # a list of words
mksquashfs "$CHROOT" "$IMAGE/filesystem.squashfs" -noappend -no-progress -no-exports -no-xattrs \
  $SQUASHFS_OPTIONS -b 256K -wildcards -e "$@"
if [ "$SQUASHFS_REPRODUCIBLE" = no ]; then
  # The squashfs' own time is a little-endian word at byte 8 (Linux Documentation/filesystems/squashfs.rst;
  # fs/squashfs/squashfs_fs.h).
  for shift in 0 8 16 24; do
    # shellcheck disable=SC2059 # the format is one octal escape
    printf "\\$(printf '%03o' $((SOURCE_DATE_EPOCH >> shift & 255)))"
  done | dd of="$IMAGE/filesystem.squashfs" bs=1 seek=8 conv=notrunc status=none
fi
chmod 644 "$IMAGE/filesystem.squashfs"

write_hash "$IMAGE/initrd"
write_hash "$IMAGE/filesystem.squashfs"
wait "$described" || fail "cannot write filesystem.manifest: $(cat "$SCRATCH/mtree.errors")"
rm "$SCRATCH/mtree.errors"

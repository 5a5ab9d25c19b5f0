#!/bin/sh
# prepare_archive_bits: kernel, initrd, squashfs, their hashes and the package list, in image/.
. "$(dirname "$0")/lib.sh"

kernel=$(basename "$CHROOT"/lib/modules/*)
cp "$CHROOT/boot/vmlinuz-$kernel" "$IMAGE/vmlinuz"
cp "$CHROOT/boot/initrd.img-$kernel" "$IMAGE/initrd"
chmod 644 "$IMAGE/vmlinuz" "$IMAGE/initrd"

# mksquashfs takes SOURCE_DATE_EPOCH as its own time and as the latest time of any file; before 4.4 it knew nothing of that,
# and the order in which its threads ended was the order of fragments.
if [ "$SQUASHFS_REPRODUCIBLE" = no ]; then
  find "$CHROOT" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  SQUASHFS_OPTIONS="$SQUASHFS_OPTIONS -no-fragments"
fi
# shellcheck disable=SC2086 # a list of words
mksquashfs "$CHROOT" "$IMAGE/filesystem.squashfs" -noappend -no-progress -no-exports -no-xattrs \
  $SQUASHFS_OPTIONS -b 256K -wildcards -e 'boot/*' 'proc/*' 'sys/*' 'dev/*' 'run/*' 'tmp/*'
if [ "$SQUASHFS_REPRODUCIBLE" = no ]; then
  # Its own time: a little-endian word at byte 8 (Linux Documentation/filesystems/squashfs.rst; fs/squashfs/squashfs_fs.h).
  for shift in 0 8 16 24; do
    # shellcheck disable=SC2059 # the format is one octal escape
    printf "\\$(printf '%03o' $((SOURCE_DATE_EPOCH >> shift & 255)))"
  done | dd of="$IMAGE/filesystem.squashfs" bs=1 seek=8 conv=notrunc status=none
fi
chmod 644 "$IMAGE/filesystem.squashfs"

# Triton's form: the digest in hex and a newline, no file name.
for file in initrd filesystem.squashfs; do
  sum=$(sha1sum "$IMAGE/$file")
  echo "${sum%% *}" >"$IMAGE/$file.hash"
done
# shellcheck disable=SC2016 # dpkg-query's own variables
in_chroot dpkg-query -W -f '${Package} ${Version}\n' >"$SCRATCH/packages"
LC_ALL=C sort -o "$IMAGE/filesystem.packages" "$SCRATCH/packages"

#!/bin/sh
# prepare_archive_bits: kernel, initrd, squashfs, their hashes and the package list, in image/.
. "$(dirname "$0")/lib.sh"

kernel=$(basename "$CHROOT"/lib/modules/*)
cp "$CHROOT/boot/vmlinuz-$kernel" "$IMAGE/vmlinuz"
cp "$CHROOT/boot/initrd.img-$kernel" "$IMAGE/initrd"
chmod 644 "$IMAGE/vmlinuz" "$IMAGE/initrd"

# mksquashfs takes SOURCE_DATE_EPOCH as its own time and as the latest time of any file.
mksquashfs "$CHROOT" "$IMAGE/filesystem.squashfs" -noappend -no-progress -no-exports -no-xattrs \
  -comp zstd -Xcompression-level "$SQUASHFS_LEVEL" -b 256K -wildcards -e 'boot/*' 'proc/*' 'sys/*' 'dev/*' 'run/*' 'tmp/*'
chmod 644 "$IMAGE/filesystem.squashfs"

# Triton's form: the digest in hex and a newline, no file name.
for file in initrd filesystem.squashfs; do
  sum=$(sha1sum "$IMAGE/$file")
  echo "${sum%% *}" >"$IMAGE/$file.hash"
done
# shellcheck disable=SC2016 # dpkg-query's own variables
in_chroot dpkg-query -W -f '${Package} ${Version}\n' >"$SCRATCH/packages"
LC_ALL=C sort -o "$IMAGE/filesystem.packages" "$SCRATCH/packages"

#!/bin/sh
# build_initramfs KERNEL: makes the initramfs of the image's root, /boot/initrd.img-KERNEL. postinstall runs it in a mount
# namespace of its own, so nothing stays mounted.
# Environment: INITRAMFS_FOLDERS, the folders of proto/ whose files it may read; INITRD_COMPRESSOR.
#
# The initramfs is stored under a key of its inputs (artifacts.ts). Of proto/, this key covers the contents of files in
# INITRAMFS_FOLDERS, and only the paths of other files. Therefore an empty line replaces the content of each other file while
# mkinitramfs runs, so that no such content can affect the result. If mkinitramfs reads one of these files, the stage fails and
# names it, because the file would have no effect. Not noticed: a program that only asks for the size or mode of such a file
# (it gets those of the empty line), and one that reads what install_proto derives from other files, which is the list of
# enabled units. No hook does either.
. "$(dirname "$0")/lib.sh"

# may_read PATH: succeeds if PATH, below proto/, is in INITRAMFS_FOLDERS.
may_read() {
  for folder in $INITRAMFS_FOLDERS; do
    case $1 in "$folder"/*) return 0 ;; esac
  done
  return 1
}

# This file system records the time of each read.
overlaid=/mnt
mount -t tmpfs -o strictatime tmpfs "$overlaid"
mkdir "$overlaid/proto"

# mkinitramfs works in /var/tmp. That folder keeps its time, so that the root is the same without this script.
mkdir "$SCRATCH/initramfs"
mount --bind "$SCRATCH/initramfs" "$CHROOT/var/tmp"

# A bind mount replaces this file, so that the image keeps Debian's.
functions=$CHROOT/usr/share/initramfs-tools/hook-functions
sed 's/^copy_\(file\|exec\)()/debian_copy_\1()/' "$functions" |
  cat - "$(dirname "$0")/initramfs_functions.sh" >"$overlaid/hook-functions"
mount --bind "$overlaid/hook-functions" "$functions"

while IFS= read -r path; do
  if may_read "$path" || [ -L "$CHROOT/$path" ] || [ ! -f "$CHROOT/$path" ]; then continue; fi
  mkdir -p "$overlaid/proto/${path%/*}"
  echo >"$overlaid/proto/$path"
  mount --bind "$overlaid/proto/$path" "$CHROOT/$path"
done <"$SCRATCH/proto.files"
find "$overlaid/proto" -type f -exec touch -a --date=@0 {} +

in_chroot mkinitramfs -c "$INITRD_COMPRESSOR" -o "/boot/initrd.img-$1" "$1"
umount "$CHROOT/var/tmp"
rm -r "$SCRATCH/initramfs"

was_read=$(find "$overlaid/proto" -type f -newerat @0 -printf ' %P')
[ -z "$was_read" ] || fail "the initramfs depends on files of proto/ that are not among its inputs:$was_read" \
  "(add their folders to initramfsFolders in builder/stages/stages.ts)"

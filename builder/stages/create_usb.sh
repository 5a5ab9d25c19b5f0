#!/bin/sh
# create_usb: makes triton-<stamp>.usb.gz, the image of a disk to unpack onto a stick. It has a GPT with GRUB for BIOS, an EFI
# partition, and a FAT32 file system with the boot files, which any system can read and write.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/media.sh"

work=$(mktemp -d)
unpack_grub_images "$work"
# A FAT label has at most eleven characters: the stamp to the minute.
label=T$(echo "$STAMP_DIGITS" | cut -c 3-12)
write_menu "$label" "$work/grub.cfg"
write_digest_initrd "$work/digest.cpio"

sector_bytes=512
mib=$((1024 * 1024 / sector_bytes)) # in sectors, like all numbers below
bios_start=$mib bios_size=$mib
efi_start=$((2 * mib)) efi_size=$((34 * mib)) # a smaller file system has too few clusters for FAT32
data_start=$((efi_start + efi_size))
files="vmlinuz initrd initrd.hash filesystem.squashfs filesystem.squashfs.hash"
# shellcheck disable=SC2086 # a list of words
content_bytes=$(cd "$IMAGE" && stat --format=%s $files | awk '{ sum += $1 } END { print sum }')
# Adds room for the file allocation tables, and for the user's files.
data_mib=$((content_bytes / 1024 / 1024 + 1 + 16))
[ $data_mib -ge 272 ] || data_mib=272 # with clusters of 4 KiB a smaller one has too few for FAT32, but would claim to be it
data_size=$((data_mib * mib))
# The last MiB holds the GPT's second copy.
disk_sectors=$((data_start + data_size + mib))

say "making a disk of $((disk_sectors / mib)) MiB"
disk=$SCRATCH/usb.img
rm -f "$disk"
truncate --size=$((disk_sectors * sector_bytes)) "$disk"

# guid NUMBER: prints a GUID that is unique to this release: the digits of the stamp, and NUMBER.
guid() { echo "$STAMP_DIGITS" | sed "s/\(.\{8\}\)\(.\{4\}\)\(..\)/\1-\2-4\30-8000-00000000000$1/"; }
sfdisk --quiet "$disk" <<TABLE
label: gpt
label-id: $(guid 0)
first-lba: $bios_start
start=$bios_start, size=$bios_size, type=21686148-6449-6E6F-744E-656564454649, uuid=$(guid 1), name="GRUB for BIOS"
start=$efi_start, size=$efi_size, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$(guid 2), name="EFI"
start=$data_start, size=$data_size, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, uuid=$(guid 3), name="Triton $STAMP"
TABLE

# put FILE OFFSET BYTES: writes BYTES (printf escapes) into an existing file.
put() {
  # shellcheck disable=SC2059 # the format is the bytes
  printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
# little_endian NUMBER: prints the eight bytes of NUMBER as printf escapes.
little_endian() { for shift in 0 8 16 24 32 40 48 56; do printf '\\%03o' $(($1 >> shift & 255)); done; }

# GRUB's own installer needs a device, so write the same bytes here (GRUB util/setup.c; include/grub/i386/pc/boot.h). The
# first sector of the disk contains the number of the core image's first sector, which contains the number of its second.
# Two NOPs replace the jump around the check for a BIOS that gives a disk the number of a floppy drive.
put "$work/mbr-disk.img" $((0x5c)) "$(little_endian $bios_start)"
put "$work/mbr-disk.img" $((0x66)) '\220\220'
put "$work/disk.img" $((0x1f4)) "$(little_endian $((bios_start + 1)))"
dd if="$work/mbr-disk.img" of="$disk" bs=440 count=1 conv=notrunc status=none
dd if="$work/disk.img" of="$disk" bs=$sector_bytes seek=$bios_start conv=notrunc status=none
# Some BIOSes boot a disk only with an active partition, and some UEFIs reject a GPT whose protective entry is active.
# Therefore the second entry, of type 0, is active.
put "$disk" $((446 + 16)) '\200\0\1\0\0\0\1\0\0\0\0\0\1\0\0\0'

# format START SIZE CLUSTER-SECTORS SERIAL [LABEL]: makes a FAT32 file system in the disk.
format() {
  mformat -i "$disk@@$(($1 * sector_bytes))" -F -T "$2" -H "$1" -h 255 -s 63 -c "$3" -N "$4" ${5:+-v "$5"} ::
}
format $efi_start $efi_size 1 "$(printf '%08x' $((0x$STAMP_SERIAL + 1)))"
fill_efi_partition "$disk@@$((efi_start * sector_bytes))" "$work" "$work/grub.cfg"
format $data_start $data_size 8 "$STAMP_SERIAL" "$label"
data=$disk@@$((data_start * sector_bytes))
mmd -i "$data" ::boot ::boot/grub "::${BOOT_FILES%/*}" "::$BOOT_FILES"
mcopy -i "$data" "$work/grub.cfg" "$work/digest.cpio" ::boot/grub/
for file in $files; do mcopy -i "$data" "$IMAGE/$file" "::$BOOT_FILES/$file"; done

say "compressing the disk"
# Nearly all data except zeros is compressed already, and run lengths suffice for zeros: this takes a third of the time of
# level 1. pigz divides its output differently with one processor, and always in the same way with two or more.
pigz -n --rle -p 2 <"$disk" >"$IMAGE/triton-$STAMP.usb.gz"
rm "$disk"

#!/bin/sh
# create_usb: triton-<stamp>.usb.gz, a disk to be unpacked onto a stick. GPT with GRUB for BIOS, an EFI partition, and a
# FAT32 file system with the boot files, which any system can read and write.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/media.sh"

work=$(mktemp -d)
unpack_grub_images "$work"
# Eleven characters are all that FAT has: the stamp to the minute.
label=T$(echo "$STAMP_DIGITS" | cut -c 3-12)
write_menu "$label" "$work/grub.cfg"
write_digest_initrd "$work/digest.cpio"

sector_bytes=512
mib=$((1024 * 1024 / sector_bytes)) # in sectors, as all numbers below
bios_start=$mib bios_size=$mib
efi_start=$((2 * mib)) efi_size=$((34 * mib)) # no smaller FAT32 has the clusters that make it one
data_start=$((efi_start + efi_size))
files="vmlinuz initrd initrd.hash filesystem.squashfs filesystem.squashfs.hash"
# shellcheck disable=SC2086 # a list of words
content_bytes=$(cd "$IMAGE" && stat --format=%s $files | awk '{ sum += $1 } END { print sum }')
# Room for the file allocation tables, and for files of whoever has the stick.
data_mib=$((content_bytes / 1024 / 1024 + 1 + 16))
[ $data_mib -ge 272 ] || data_mib=272 # with its clusters of 4 KiB a smaller one is no FAT32, but would say that it is
data_size=$((data_mib * mib))
# The last MiB holds the GPT's second copy.
disk_sectors=$((data_start + data_size + mib))

say "the disk: $((disk_sectors / mib)) MiB"
disk=$SCRATCH/usb.img
rm -f "$disk"
truncate --size=$((disk_sectors * sector_bytes)) "$disk"

# guid NUMBER: a GUID of this release's own: the stamp's digits, and the number of the thing.
guid() { echo "$STAMP_DIGITS" | sed "s/\(.\{8\}\)\(.\{4\}\)\(..\)/\1-\2-4\30-8000-00000000000$1/"; }
sfdisk --quiet "$disk" <<TABLE
label: gpt
label-id: $(guid 0)
first-lba: $bios_start
start=$bios_start, size=$bios_size, type=21686148-6449-6E6F-744E-656564454649, uuid=$(guid 1), name="GRUB for BIOS"
start=$efi_start, size=$efi_size, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$(guid 2), name="EFI"
start=$data_start, size=$data_size, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, uuid=$(guid 3), name="Triton $STAMP"
TABLE

# put FILE OFFSET BYTES: bytes, as printf escapes, into a file that is there.
put() {
  # shellcheck disable=SC2059 # the format is the bytes
  printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
# little_endian NUMBER: its eight bytes as printf escapes.
little_endian() { for shift in 0 8 16 24 32 40 48 56; do printf '\\%03o' $(($1 >> shift & 255)); done; }

# GRUB's own installer wants a device; this is what it writes (GRUB util/setup.c; include/grub/i386/pc/boot.h): in the first
# sector the number of the core image's first one, there the number of its second one; and no trust in a BIOS that gives a
# disk the number of a floppy drive: two NOPs for the jump around that check.
put "$work/mbr-disk.img" $((0x5c)) "$(little_endian $bios_start)"
put "$work/mbr-disk.img" $((0x66)) '\220\220'
put "$work/disk.img" $((0x1f4)) "$(little_endian $((bios_start + 1)))"
dd if="$work/mbr-disk.img" of="$disk" bs=440 count=1 conv=notrunc status=none
dd if="$work/disk.img" of="$disk" bs=$sector_bytes seek=$bios_start conv=notrunc status=none
# Some BIOSes boot no disk without an active partition, and some UEFIs take none for a GPT whose one entry is active: so the
# second entry, of type 0, is.
put "$disk" $((446 + 16)) '\200\0\1\0\0\0\1\0\0\0\0\0\1\0\0\0'

# format START SIZE CLUSTER-SECTORS SERIAL [LABEL]: FAT32 into the disk.
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
# Nearly all that is not zero is compressed already, and run lengths are enough for zeros: a third of the time of level 1.
# With one processor pigz divides its output differently, with two or more always in the same way.
pigz -n --rle -p 2 <"$disk" >"$IMAGE/triton-$STAMP.usb.gz"
rm "$disk"

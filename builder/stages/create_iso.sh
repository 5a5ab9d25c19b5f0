#!/bin/sh
# create_iso: makes triton-<stamp>.iso, which boots from a CD or DVD and, written unchanged, from a disk or a stick. BIOS boots
# it by El Torito or by the first sector, UEFI by the EFI partition, which both El Torito and the GPT name.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/media.sh"

work=$(mktemp -d)
unpack_grub_images "$work"
label=TRITON_$STAMP
write_menu "$label" "$work/grub.cfg"
write_digest_initrd "$work/digest.cpio"
# 2880 KiB is the largest size of an El Torito image that every UEFI accepts.
mformat -C -i "$work/efi.img" -f 2880 -N "$STAMP_SERIAL" ::
fill_efi_partition "$work/efi.img" "$work" "$work/grub.cfg"

set --
for file in vmlinuz initrd initrd.hash filesystem.squashfs filesystem.squashfs.hash; do
  set -- "$@" "/$BOOT_FILES/$file=$IMAGE/$file"
done
say "writing the ISO"
# The volume's date is also its UUID, and the GUIDs of the GPT derive from it.
xorriso -as mkisofs -quiet -o "$IMAGE/triton-$STAMP.iso" \
  -iso-level 3 -rational-rock -volid "$label" --modification-date="${STAMP_DIGITS}00" --set_all_file_dates "=$SOURCE_DATE_EPOCH" \
  --grub2-mbr "$work/mbr-iso.img" --protective-msdos-label --mbr-force-bootable \
  -eltorito-boot boot/grub/iso.img -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info \
  --efi-boot boot/grub/efi.img -efi-boot-part --efi-boot-image \
  -graft-points "/boot/grub/grub.cfg=$work/grub.cfg" "/boot/grub/digest.cpio=$work/digest.cpio" \
  "/boot/grub/iso.img=$work/iso.img" "/boot/grub/efi.img=$work/efi.img" "$@"

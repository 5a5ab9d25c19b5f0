#!/bin/sh
# Makes GRUB's images for the boot media with the locked GRUB, in the builder machine's own root, which is deleted
# afterwards. The images contain everything that the menu needs, and nothing that depends on a release. The menu itself is
# a separate file on the medium, grub.cfg.
#   build_grub_images.sh OUTPUT.tar        environment: GATEWAY GRUB_PACKAGES
#
#   mbr-iso.img mbr-disk.img   boot code for the first sector of a hybrid ISO, and of a disk
#   iso.img                    El Torito boot image; reads /boot/grub of its own medium
#   disk.img                   for a BIOS boot partition; reads /boot/grub of the third partition of the same disk
#   bootx64.efi                for UEFI; reads /boot/grub of its own partition
. "$(dirname "$0")/lib.sh"
output=$1

printf 'deb [trusted=yes] %s/grub/ ./\n' "$GATEWAY" >/etc/apt/sources.list
apt-get -q update
# shellcheck disable=SC2086 # a list of words
apt-get -q -y -o Dpkg::Use-Pty=0 install $GRUB_PACKAGES

modules="normal configfile search search_label part_gpt part_msdos iso9660 fat linux serial terminal test true echo ls cat sleep reboot halt"
work=$(mktemp -d)

# core_image FORMAT FILE PREFIX MODULE...
core_image() {
  format=$1 file=$2 prefix=$3
  shift 3
  # shellcheck disable=SC2086 # a list of words
  grub-mkimage --format="$format" --output="$work/$file" --prefix="$prefix" $modules "$@"
}
core_image i386-pc-eltorito iso.img /boot/grub biosdisk
core_image i386-pc disk.img '(,gpt3)/boot/grub' biosdisk
# GRUB has to pass a frame buffer to Linux: without the video modules the console would stay dark.
core_image x86_64-efi bootx64.efi /boot/grub all_video
cp /usr/lib/grub/i386-pc/boot_hybrid.img "$work/mbr-iso.img"
cp /usr/lib/grub/i386-pc/boot.img "$work/mbr-disk.img"
tar -c --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=644 --mtime="@$SOURCE_DATE_EPOCH" \
  --file="$output" -C "$work" bootx64.efi disk.img iso.img mbr-disk.img mbr-iso.img

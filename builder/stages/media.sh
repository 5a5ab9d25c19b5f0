# shellcheck shell=sh
# Functions for both boot media; create_iso and create_usb source this file after lib.sh. Media are made from plain files,
# without mounts and loop devices, so nothing can be left behind.
# Environment: GRUB_PACKAGES, for build_grub_images.sh.

# Folder of the boot files on a medium, as in the platform archive. The stamp distinguishes two media in one machine.
# shellcheck disable=SC2034 # used by the stages that source this
BOOT_FILES=platform-$STAMP/x86_64

# The stamp as 14 digits, YYYYMMDDhhmmss, and as the 8 hexadecimal digits of a FAT serial number: seconds since 1970.
STAMP_DIGITS=$(echo "$STAMP" | tr -d TZ)
# shellcheck disable=SC2034
STAMP_SERIAL=$(printf '%08x' "$(date --utc --date="$(echo "$STAMP_DIGITS" | sed 's/^\(.\{8\}\)\(..\)\(..\)/\1 \2:\3:/')" +%s)")

# unpack_grub_images FOLDER: unpacks GRUB's images. The gateway serves them if an earlier build has stored them; otherwise
# build_grub_images.sh makes them.
unpack_grub_images() {
  tar=$SCRATCH/grub-images.tar
  if ! curl --silent --fail --output "$tar" "$GATEWAY/artifact/grub-images.tar"; then
    sh "$(dirname "$0")/build_grub_images.sh" "$tar"
  fi
  tar -x -f "$tar" -C "$1"
}

# write_menu LABEL FILE: writes GRUB's menu for the medium whose file system has that label.
# GRUB and Linux both find the medium by its label. The firmware's disk numbers mean nothing to Linux, and change when a disk
# is plugged in.
write_menu() {
  kernel_arguments="boot=live console=tty0 console=ttyS1,115200n8 live-media=/dev/disk/by-label/$1 live-media-path=/$BOOT_FILES"
  cat >"$2" <<GRUB
set default=dhcp
set timeout=5

# Use the screen and the existing serial ports. On UEFI the firmware itself shows its console on the first port.
terminal_input console
terminal_output console
for unit in 0 1; do
  if [ "\$grub_platform" = efi -a \$unit = 0 ]; then continue; fi
  if serial --unit=\$unit --speed=115200; then
    terminal_input --append serial_com\$unit
    terminal_output --append serial_com\$unit
  fi
done

search --no-floppy --set=root --label $1

$(menu_entry dhcp "Triton Linux $STAMP" triton.dhcp-all-nics)
$(menu_entry no-dhcp "Triton Linux $STAMP, without DHCP")
$(menu_entry rescue "Triton Linux $STAMP, rescue: no ZFS pool is imported" "triton.dhcp-all-nics noimport=true")
GRUB
}

# write_digest_initrd FILE: writes a second initrd that contains the root's digest under the same name as with iPXE. GRUB
# can do this itself (newc:), but before 2.12 it omits the NUL at the end of the name, and Linux rejects that.
write_digest_initrd() {
  tree=$(mktemp -d)
  cp "$IMAGE/filesystem.squashfs.hash" "$tree/filesystem.squashfs.hash"
  chmod 644 "$tree/filesystem.squashfs.hash"
  touch --date="@$SOURCE_DATE_EPOCH" "$tree/filesystem.squashfs.hash"
  (cd "$tree" && echo filesystem.squashfs.hash | cpio --quiet --create --format=newc --reproducible --owner=0:0) >"$1"
  rm -r "$tree"
}

# menu_entry ID TITLE [KERNEL-ARGUMENTS]: prints a menu entry.
menu_entry() {
  cat <<GRUB

menuentry "$2" --id $1 {
  echo "Loading the kernel ..."
  linux /$BOOT_FILES/vmlinuz $kernel_arguments${3:+ $3}
  echo "Loading the initial RAM disk ..."
  initrd /$BOOT_FILES/initrd /boot/grub/digest.cpio
}
GRUB
}

# fill_efi_partition IMAGE GRUB-FOLDER MENU: copies the files that UEFI boots into the FAT file system IMAGE (mtools syntax).
fill_efi_partition() {
  mmd -i "$1" ::EFI ::EFI/BOOT ::boot ::boot/grub
  mcopy -i "$1" "$2/bootx64.efi" ::EFI/BOOT/BOOTX64.EFI
  mcopy -i "$1" "$3" ::boot/grub/grub.cfg
}

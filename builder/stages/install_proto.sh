#!/bin/sh
# install_proto: unpacks the files of proto/, a tar stream on standard input, over the image's root, and enables units.
. "$(dirname "$0")/lib.sh"

tar -x -C "$CHROOT" --no-same-owner --keep-directory-symlink -f - --verbose --quoting-style=literal >"$SCRATCH/proto.files"

# systemd before 245 does not know PermanentMACAddress=, and a [Match] that it does not understand matches all NICs.
systemd=$(in_chroot systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
[ -n "$systemd" ] || fail "systemctl --version in the image prints no version"
[ "$systemd" -ge 245 ] || sed -i 's/PermanentMACAddress=/MACAddress=/' "$CHROOT/usr/triton/lib/early-boot/networking-units.jq"

# The preset of proto/ lists all units that run. A unit that it does not list is off, even if its package enables it.
in_chroot systemctl --root=/ preset-all

# Enables each unit of proto/ that has an [Install] section; other units start the rest.
brought=$(sed -n 's|^usr/lib/systemd/system/\([^/]*\.\(service\|socket\|target\|timer\|path\|mount\)\)$|\1|p' "$SCRATCH/proto.files")
units=
for unit in $brought; do
  file=$CHROOT/usr/lib/systemd/system/$unit
  [ -L "$file" ] || ! grep -q '^\[Install\]' "$file" || units="$units $unit"
done
# shellcheck disable=SC2086 # a list of words
[ -z "$units" ] || in_chroot systemctl --root=/ enable $units

# /etc/systemd/system belongs to the operator: setup may mount a dataset on it, which would hide the links that start the
# image's own units. Therefore these links move to /usr. `systemctl mask` writes to /etc and turns a unit off permanently.
system=$CHROOT/usr/lib/systemd/system
find "$CHROOT/etc/systemd/system" -type l -printf '%P %l\n' >"$SCRATCH/enabled"
while read -r link target; do
  case $target in
  /lib/systemd/system/* | /usr/lib/systemd/system/*) unit=${target##*/} ;;
  *) fail "/etc/systemd/system/$link is a link to $target, which is not a unit of the image" ;;
  esac
  case $link in
  */*)
    mkdir -p "$system/${link%/*}"
    ln -sf "../$unit" "$system/$link"
    ;;
  *) ln -sf "$unit" "$system/$link" ;;
  esac
done <"$SCRATCH/enabled"
rm -r "$CHROOT/etc/systemd/system"
mkdir "$CHROOT/etc/systemd/system"

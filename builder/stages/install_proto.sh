#!/bin/sh
# install_proto: the files of proto/, a tar stream on standard input, laid over the image's root.
. "$(dirname "$0")/lib.sh"

tar -x -C "$CHROOT" --no-same-owner --keep-directory-symlink -f - --verbose >"$SCRATCH/proto.files"

# systemd before 245 does not know PermanentMACAddress=, and of a [Match] that it does not understand it matches all NICs.
systemd=$(in_chroot systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
[ -n "$systemd" ] || fail "systemctl in the image does not tell its version"
[ "$systemd" -ge 245 ] || sed -i 's/PermanentMACAddress=/MACAddress=/' "$CHROOT/usr/triton/lib/early-boot/networking-units.jq"

# Its preset is the whole list of what runs: a unit that it does not name is off, whatever its package wanted.
in_chroot systemctl --root=/ preset-all

# Each unit that proto/ brings is enabled; those without [Install] are started by what wants them.
brought=$(sed -n 's|^usr/lib/systemd/system/\([^/]*\.\(service\|socket\|target\|timer\|path\|mount\)\)$|\1|p' "$SCRATCH/proto.files")
units=
for unit in $brought; do
  file=$CHROOT/usr/lib/systemd/system/$unit
  [ -L "$file" ] || ! grep -q '^\[Install\]' "$file" || units="$units $unit"
done
# shellcheck disable=SC2086 # a list of words
[ -z "$units" ] || in_chroot systemctl --root=/ enable $units

# /etc/systemd/system is the operator's: setup may mount a dataset on it, which would hide the links that start the image's
# own units. So these go below /usr; `systemctl mask`, which writes to /etc, turns a unit off for good.
system=$CHROOT/usr/lib/systemd/system
find "$CHROOT/etc/systemd/system" -type l -printf '%P %l\n' >"$SCRATCH/enabled"
while read -r link target; do
  case $target in
  /lib/systemd/system/* | /usr/lib/systemd/system/*) unit=${target##*/} ;;
  *) fail "/etc/systemd/system/$link leads to $target, which is not a unit of the image" ;;
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

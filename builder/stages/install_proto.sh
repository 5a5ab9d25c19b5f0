#!/bin/sh
# install_proto: the files of proto/, a tar stream on standard input, laid over the image's root.
. "$(dirname "$0")/lib.sh"

tar -x -C "$CHROOT" --no-same-owner --keep-directory-symlink -f - --verbose >"$SCRATCH/proto.files"

# Each unit that proto/ brings is enabled; those without [Install] are started by what wants them.
units=$(sed -n 's|^\(\./\)\{0,1\}usr/lib/systemd/system/\([^/]*\.\(service\|socket\|target\|timer\|path\|mount\)\)$|\2|p' "$SCRATCH/proto.files")
for unit in $units; do
  [ -L "$CHROOT/usr/lib/systemd/system/$unit" ] || ! grep -q '^\[Install\]' "$CHROOT/usr/lib/systemd/system/$unit" ||
    in_chroot systemctl --root=/ enable "$unit"
done

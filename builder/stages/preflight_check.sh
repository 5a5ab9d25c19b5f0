#!/bin/sh
# preflight_check: checks that the builder machine has every program that the stages call.
. "$(dirname "$0")/lib.sh"

missing=
for program in "$BOOTSTRAP" apt-get chroot cpio curl dpkg-deb find gzip mcopy mformat mksquashfs \
  mmd mount mountpoint pigz sfdisk sha1sum sort tar unshare xorriso xz zstd; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] || fail "programs are missing in the builder machine:$missing (add their packages to the lock set base)"

#!/bin/sh
# create_tgz: platform-<stamp>.tgz, which `sdcadm platform install` unpacks: one top folder, platform-<stamp>.
. "$(dirname "$0")/lib.sh"

tree=$SCRATCH/tgz/platform-$STAMP
rm -rf "$SCRATCH/tgz"
mkdir -p "$tree/etc/version" "$tree/x86_64"
echo "$STAMP" >"$tree/etc/version/platform"
cp "$CHROOT/usr/lib/os-release" "$tree/etc/version/os-release"
# Links that tar follows: a hard link would have overlayfs copy the file into this layer.
for file in vmlinuz initrd initrd.hash filesystem.squashfs filesystem.squashfs.hash filesystem.packages; do
  ln -s "$IMAGE/$file" "$tree/x86_64/$file"
done
# The large parts are compressed already, so level 0 loses 0.2 % and takes a twentieth of the time of level 1.
# With one processor pigz divides its output differently, with two or more always in the same way.
tar -c --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --dereference \
  --mtime="@$SOURCE_DATE_EPOCH" --use-compress-program='pigz -n -0 -p 2' --file="$IMAGE/platform-$STAMP.tgz" -C "$SCRATCH/tgz" "platform-$STAMP"
rm -rf "$SCRATCH/tgz"

#!/bin/sh
# Makes the packages base of the builder VM in a temporary machine whose root is the sandbox's base. The VM's root is that
# root with ZFS added. Environment: GATEWAY, SOURCE_DATE_EPOCH, FILES (folder with builder/ of the project), OUT (folder below
# /tmp, created by this script for vmlinuz, initrd and root.squashfs).
set -eu
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p "$OUT"

printf 'deb [trusted=yes] %s/vm/ ./\n' "$GATEWAY" >/etc/apt/sources.list
apt-get -q update
apt-get -q -y -o Dpkg::Use-Pty=0 install zfsutils-linux busybox

# Only unpack the kernel's package: its scripts would make an initramfs, and the VM needs only a few of its modules.
work=$(mktemp -d)
cd "$work"
apt-get -q download "$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: //p')"
dpkg-deb -x linux-image-*.deb kernel
curl --silent --show-error --fail --output zfs-modules.deb "$GATEWAY/artifact/zfs-modules.deb"
dpkg-deb -x zfs-modules.deb kernel
version=$(basename kernel/lib/modules/*)
depmod -b kernel "$version"

# Prints the files of modules in loading order, each after its dependencies. Built-in modules have no file.
needs() {
  for module in "$@"; do modprobe -d kernel -S "$version" --show-depends "$module"; done |
    sed -n 's|^insmod \([^ ]*\).*|\1|p' | awk '!seen[$0]++'
}
needs virtio_pci virtio_blk squashfs overlay >initramfs.list
needs virtio_pci virtio_blk squashfs overlay virtio_console virtio_rng qemu_fw_cfg zfs >root.list

# The initramfs: busybox, and the modules that are needed to mount the root.
mkdir -p initramfs/bin initramfs/modules initramfs/dev initramfs/proc initramfs/lower initramfs/writes initramfs/root
cp "$FILES/builder/machines/vm/vm-initramfs-init.sh" initramfs/init
chmod 755 initramfs/init
cp /bin/busybox initramfs/bin/busybox
ln -s busybox initramfs/bin/sh
ldd /bin/busybox | sed -n 's|.*[ \t]\(/[^ ]*\) (0x.*|\1|p' | while read -r library; do
  mkdir -p "initramfs${library%/*}"
  cp -L "$library" "initramfs$library"
done
: >initramfs/modules/order
while read -r module; do
  cp "$module" "initramfs/modules/"
  echo "${module##*/}" >>initramfs/modules/order
done <initramfs.list
find initramfs -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
(cd initramfs && find . | sort | cpio -o -H newc --quiet --reproducible -R 0:0) | zstd -q -9 >"$OUT/initrd"
cp "kernel/boot/vmlinuz-$version" "$OUT/vmlinuz"

while read -r module; do
  install -D -m 644 "$module" "/usr/lib/modules/$version/${module##*/lib/modules/"$version"/}"
done <root.list
cp kernel/lib/modules/"$version"/modules.builtin* kernel/lib/modules/"$version"/modules.order "/usr/lib/modules/$version/"
depmod "$version"
install -D -m 755 "$FILES/builder/machines/vm/vm-init.sh" /usr/lib/livelab/init
install -m 755 "$FILES/builder/channel/serve-ssh.sh" /usr/lib/livelab/serve-ssh.sh

cd /
# ldconfig's cache contains inode numbers. Only the sandbox has made /data.
rm -rf "$work" /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/aux-cache /var/log/* /etc/hostid
mkdir -p /data
: >/etc/apt/sources.list
# A bind mount of the root excludes the file systems that are mounted below it.
mkdir -p /mnt/root
mount --bind / /mnt/root
# Not compressed: an emulated processor reads it faster than it decompresses it.
mksquashfs /mnt/root "$OUT/root.squashfs" -noappend -no-progress -no-xattrs -no-exports -noI -noD -noF -noX \
  -wildcards -e 'proc/*' 'sys/*' 'dev/*' 'run/*' 'tmp/*' 'data/*' 'mnt/*' '.host'
umount /mnt/root

#!/bin/sh
# First process of a builder VM, in its initramfs. Mounts the first disk (a read-only squashfs) as the root, with a tmpfs that
# receives all writes, so that every machine starts in the same state. Then starts vm-init.sh.
export PATH=/bin
busybox mount -t devtmpfs dev /dev
busybox mount -t proc proc /proc
while read -r module; do busybox insmod "/modules/$module"; done </modules/order
busybox mount -t squashfs -o ro /dev/vda /lower
busybox mount -t tmpfs -o size=90%,mode=755 tmpfs /writes
busybox mkdir /writes/upper /writes/work
busybox mount -t overlay -o lowerdir=/lower,upperdir=/writes/upper,workdir=/writes/work root /root
busybox umount /proc
exec busybox switch_root /root /usr/lib/livelab/init zfs

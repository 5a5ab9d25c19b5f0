#!/bin/sh
# First process of the root VM, in its initramfs: lists its modules for modprobe, then runs vm-init.sh.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
depmod
modprobe virtio_pci
exec /bin/sh /usr/lib/livelab/init

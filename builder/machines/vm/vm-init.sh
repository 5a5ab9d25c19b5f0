#!/bin/sh
# Process 1 of the builder VM and of the root VM: prepares the machine, then serves SSH on its port until the machine ends.
#   vm-init.sh [MODULE...]
# The arguments are kernel modules to load in addition. The only network device is lo. The SSH keys are made for this machine
# only. They come through the firmware configuration device (QEMU docs/specs/fw_cfg), so they are on no disk.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o nosuid,mode=755 dev /dev
mkdir /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666,mode=620 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev tmpfs /dev/shm
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
ln -sf /proc/self/fd /dev/fd
ln -sf fd/0 /dev/stdin
ln -sf fd/1 /dev/stdout
ln -sf fd/2 /dev/stderr
ip link set lo up
hostname builder

for module in virtio_rng qemu_fw_cfg virtio_console "$@"; do modprobe "$module"; done
mkdir -p /run/livelab /run/sshd
for file in host_key authorized_keys sshd_config; do
  (umask 077 && cat "/sys/firmware/qemu_fw_cfg/by_name/opt/org.livelab/$file/raw" >"/run/livelab/$file")
done
exec /bin/sh /usr/lib/livelab/serve-ssh.sh /run/livelab/sshd_config

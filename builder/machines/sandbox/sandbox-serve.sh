#!/bin/sh
# Second half of sandbox-init.sh, in the machine's own root: unmounts the host's file tree and serves SSH.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
umount -l /.host
rmdir /.host
ip link set lo up
hostname builder
# When livelab closes its end, sshd reads EOF and ends. Then this shell ends, and with it the machine.
/usr/sbin/sshd -i -e -f /run/livelab/sshd_config

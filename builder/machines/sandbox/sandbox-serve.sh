#!/bin/sh
# Second half of sandbox-init.sh, inside the machine's own root: lets go of the host's tree and serves SSH.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
umount -l /.host
rmdir /.host
ip link set lo up
hostname builder
# When livelab closes its end, sshd reads EOF and ends; so does this shell, and with it the machine.
/usr/sbin/sshd -i -e -f /run/livelab/sshd_config

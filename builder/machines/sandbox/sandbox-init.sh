#!/bin/sh
# Process 1 of a sandbox builder machine. namespaces.ts runs it with livelab's tools.
# Assembles the machine's root, leaves the host's file tree, and serves SSH on stdin and stdout.
# Environment: MACHINE (folder of this machine with root/, run/, and the mounts that overlay.ts prepared: root-overlay/ and
#   release-overlay/), STAMP.
set -eu
. "${0%/*}/mount-overlay.sh"

# Whatever umask the user has: sshd refuses /run/sshd if others may write to it, and stages inherit the umask.
umask 022

root=$MACHINE/root
mount_overlay "$MACHINE/root-overlay" "$root"
chmod 755 "$root" # its mode is that of the upper folder, which livelab made with the user's umask

mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t tmpfs -o nosuid,mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
  : >"$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o nosuid,nodev tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs "$root/run"
mkdir "$root/run/livelab" "$root/run/sshd"
mount --bind "$MACHINE/run" "$root/run/livelab"

release=$root/data/debian-live/$STAMP
mkdir -p "$release"
mount_overlay "$MACHINE/release-overlay" "$release"
chmod 755 "$release"

cd "$root"
mkdir -p .host
pivot_root . .host
# Process 1 is a shell, not sshd: a shell reaps the orphans that maintainer scripts leave.
exec chroot . /bin/sh /run/livelab/serve.sh

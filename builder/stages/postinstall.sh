#!/bin/sh
# postinstall: turns the Debian root into the platform image: makes the initramfs, or takes it from
# the gateway if an earlier build has stored it; sets names, removes secrets and identities.
. "$(dirname "$0")/lib.sh"

kernel=$(basename "$CHROOT"/lib/modules/*)

# First, because the initramfs is stored for other releases: none of the changes below may get into it.
if curl --silent --fail --output "$CHROOT/boot/initrd.img-$kernel" "$GATEWAY/artifact/initrd"; then
  say "using the stored initramfs"
else
  unshare --mount sh "$(dirname "$0")/build_initramfs.sh" "$kernel"
fi
ln -s "../chroot/boot/initrd.img-$kernel" "$SCRATCH/initrd"

echo "debian-live-$STAMP" >"$CHROOT/etc/hostname"
printf '127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\n' >"$CHROOT/etc/hosts"
# /etc/os-release is a link to this file (os-release(5)).
sed -i '/^TRITON_RELEASE=/d' "$CHROOT/usr/lib/os-release"
echo "TRITON_RELEASE=\"$STAMP\"" >>"$CHROOT/usr/lib/os-release"
printf 'Name: Triton Linux\nImage: %s\n' "$STAMP" >"$CHROOT/etc/product"
printf '\n   Triton Linux %s\n\n' "$STAMP" >"$CHROOT/etc/motd"

# root's password is empty until early boot sets that of node.config; sshd rejects an empty password.
in_chroot passwd --delete root

# OpenSSH before 8.2 has no Include: put the drop-ins of proto/ at the beginning of its file, because the first value counts.
if ! grep -q '^Include' "$CHROOT/etc/ssh/sshd_config"; then
  cat "$CHROOT"/etc/ssh/sshd_config.d/*.conf "$CHROOT/etc/ssh/sshd_config" >"$SCRATCH/sshd_config"
  cat "$SCRATCH/sshd_config" >"$CHROOT/etc/ssh/sshd_config"
fi

# A live system never updates its own initramfs.
sed -i 's/^update_initramfs=.*/update_initramfs=no/' "$CHROOT/etc/initramfs-tools/update-initramfs.conf"
rm -f "$CHROOT/usr/sbin/policy-rc.d" "$CHROOT"/etc/ssh/ssh_host_*_key*
# Packages created these identities during installation. They differ in each build, and would be the same on all machines.
rm -f "$CHROOT/etc/hostid" "$CHROOT/etc/nvme/hostid" "$CHROOT/etc/nvme/hostnqn"
rm -f "$CHROOT/etc/apt/sources.list" "$CHROOT"/etc/apt/sources.list.d/*
rm -rf "$CHROOT"/var/lib/apt/lists/* "$CHROOT"/var/cache/apt/* "$CHROOT"/var/cache/debconf/*-old \
  "$CHROOT"/var/lib/dpkg/*-old "$CHROOT/var/cache/ldconfig/aux-cache" "$CHROOT"/tmp/* "$CHROOT"/var/tmp/* \
  "$CHROOT"/etc/*- "$CHROOT/var/lib/systemd/random-seed" "$CHROOT/etc/mtab" "$CHROOT/var/lib/dbus/machine-id"
# Keeps one log, outside the image: dpkg's actions in order, without times.
sed 's/^[^ ]* [^ ]* //' "$CHROOT/var/log/dpkg.log" >"$SCRATCH/dpkg.log"
find "$CHROOT/var/log" -type f -delete
find "$CHROOT/run" -mindepth 1 -delete

# Setup makes /var a dataset, which survives a change of the image. The package state must belong to the image, so it moves out
# of /var. The links stay, because setup copies /var.
mkdir -p "$CHROOT/.var/lib"
for state in dpkg apt; do
  mv "$CHROOT/var/lib/$state" "$CHROOT/.var/lib/$state"
  ln -s "../../.var/lib/$state" "$CHROOT/var/lib/$state"
done

# Datasets are mounted over these folders and would hide their content.
mkdir -p "$CHROOT/etc/sysusers.d"
for folder in etc/systemd/system etc/systemd/network etc/sysusers.d home opt; do
  [ -z "$(ls -A "$CHROOT/$folder")" ] || fail "/$folder must be empty in the image; found: $(ls -A "$CHROOT/$folder")"
done
: >"$CHROOT/etc/machine-id"
ln -s ../proc/self/mounts "$CHROOT/etc/mtab"

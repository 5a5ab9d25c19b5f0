# shellcheck shell=sh
# Runs programs of the new root in that root, before the switch to it.

# in_root COMMAND...: runs a program of the new root in that root, with messages in English and an empty standard input.
# It clears MODPROBE_OPTIONS, by which initramfs-tools makes modprobe quiet.
in_root() {
	MODPROBE_OPTIONS='' LC_ALL=C chroot "${rootmnt:?}" "$@" </dev/null
}

# enter_root, leave_root: mount and unmount the kernel's file systems and /run for the programs of in_root. /run contains
# the hostid for the kernel module and udev's names of disks.
enter_root() {
	for fs in proc sys dev run; do
		mount -o bind "${sysroot?}/$fs" "${rootmnt:?}/$fs"
	done
}

leave_root() {
	for fs in run dev sys proc; do
		umount "${rootmnt:?}/$fs" || umount -l "${rootmnt:?}/$fs"
	done
}

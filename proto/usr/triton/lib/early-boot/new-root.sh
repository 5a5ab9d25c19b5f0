# shellcheck shell=sh
# Running programs of the new root in it, before it has taken over.

# in_root COMMAND...: runs a program of the new root in it, with messages in English and no standard input. What
# initramfs-tools says to modprobe, to be quiet, is not for it.
in_root() {
	MODPROBE_OPTIONS='' LC_ALL=C chroot "${rootmnt:?}" "$@" </dev/null
}

# enter_root, leave_root: what programs in the new root need of the kernel while in_root runs them. /run has the
# hostid for the kernel module and udev's names of disks in it.
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

# shellcheck shell=sh
# Replaces live-boot's search for its medium, sourced last, where the kernel argument live-media= names a link below
# /dev/disk, as the menu of our boot media does. Any other boot keeps live-boot's own.
#
# Why: live-boot 20230131 looks for that device once, before the kernel has found a USB stick, and then mounts whatever
# there is: of a compute node's disks each file system that another system left (which replays its journal, a write), and
# in the end perhaps another platform image.

case " $(cat "${TRITON_SYSROOT-}/proc/cmdline")" in
	*" live-media=/dev/disk/"*)
		triton_last_try=59

		# find_livefs TRY: live-boot calls it once a second, TRY from 0 to 59, and takes what it prints as the place where the
		# medium is mounted.
		find_livefs ()
		{
			if [ -e "${LIVE_MEDIA}" ] && check_dev null "${LIVE_MEDIA}" skip_uuid_check
			then
				return 0
			fi
			if [ "${1}" -ge "${triton_last_try}" ]
			then
				# shellcheck source=proto/usr/share/initramfs-tools/scripts/triton
				. "${TRITON_SYSROOT-}/scripts/triton"
				problem "no medium ${LIVE_MEDIA} with ${LIVE_MEDIA_PATH}/filesystem.squashfs on it after ${triton_last_try} s" \
					"check that it is plugged in and whole, or write it again"
			fi
			return 1
		}
		;;
esac

# shellcheck shell=sh
# Replaces live-boot's search for its medium. live-boot sources this file last. The replacement applies when the kernel
# argument live-media= names a link below /dev/disk, as the menu of our boot media does; any other boot keeps live-boot's
# own search.
#
# Why: live-boot 20230131 looks for that device once, before the kernel has found a USB stick. It then mounts every file
# system that it finds on the compute node's disks, which replays journals and so writes to them, and it may boot another
# platform image in the end.

case " $(cat "${TRITON_SYSROOT-}/proc/cmdline")" in
	*" live-media=/dev/disk/"*)
		triton_last_try=59

		# find_livefs TRY: prints the path where the medium is mounted. live-boot calls it once a second, with TRY from 0 to 59.
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
				problem "no medium ${LIVE_MEDIA} with ${LIVE_MEDIA_PATH}/filesystem.squashfs was found in ${triton_last_try} s" \
					"check that it is plugged in, or write it again"
			fi
			return 1
		}
		;;
esac

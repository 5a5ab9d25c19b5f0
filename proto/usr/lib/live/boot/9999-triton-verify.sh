# shellcheck shell=sh
# Replaces live-boot's check of a medium's checksums. live-boot sources this file last, and calls the function between
# fetch and mount. It compares the fetched root with the SHA-1 that the booter delivered with it
# (/filesystem.squashfs.hash: 40 hex digits and a newline). live-boot's own check (kernel argument verify-checksums) needs
# lists of digests that our media do not have.
#
# A wrong root is the only thing that stops a boot. The machine then repeats the reason, so that it is on the screen when an
# operator opens the console later. It opens no shell. Only a reset (for example Ctrl-Alt-Del) ends the loop, and everything
# is then fetched again. The booter also delivers /initrd.hash, which is not checked: a modified initrd would not report
# itself.

triton_wrong_root_seconds=30

Verify_checksums ()
{
	# shellcheck source=proto/usr/share/initramfs-tools/scripts/triton
	. "${TRITON_SYSROOT-}/scripts/triton"
	delivered="${sysroot?}/filesystem.squashfs.hash"
	root="${1}/${LIVE_MEDIA_PATH:-live}/filesystem.squashfs"

	if [ ! -e "${delivered}" ]
	then
		note "no filesystem.squashfs.hash was delivered, so the root is used unverified"
		return 0
	fi
	expected="$(tr A-F a-f < "${delivered}")"
	case "${expected}" in
		*[!0-9a-f]*|"")
			expected=""
			;;
	esac
	if [ "${#expected}" -ne 40 ]
	then
		problem "filesystem.squashfs.hash is not a SHA-1 digest, so the root is not verified" \
			"reinstall the platform image on the headnode"
		return 0
	fi

	got="$(sha1sum "${root}")"
	got="${got%% *}"
	if [ "${got}" = "${expected}" ]
	then
		console "verified filesystem.squashfs, sha1 ${got}"
		return 0
	fi
	while :
	do
		problem "filesystem.squashfs is not the one that filesystem.squashfs.hash names: expected sha1 ${expected}, got ${got:-none}; the boot stops here" \
			"reinstall the platform image on the headnode, and reset this machine"
		sleep "${triton_wrong_root_seconds}"
	done
}

# shellcheck shell=sh
# Replaces live-boot's check of a medium's checksums, sourced last: the root that was fetched is compared with the SHA-1
# that the booter delivered beside it (/filesystem.squashfs.hash: 40 hex digits and a newline). live-boot calls it between
# fetch and mount. Its own check (kernel argument verify-checksums) wants lists of digests that no medium of ours has.
#
# A wrong root is the one thing that stops a boot. The machine then says why again and again, for whoever looks at a
# console later; it opens no shell, and goes on only by a reset (Ctrl-Alt-Del does it), which fetches everything anew.
# /initrd.hash, delivered too, is not looked at: an initrd that was changed would not tell.

triton_wrong_root_seconds=30

Verify_checksums ()
{
	# shellcheck source=proto/usr/share/initramfs-tools/scripts/triton
	. "${TRITON_SYSROOT-}/scripts/triton"
	delivered="${sysroot?}/filesystem.squashfs.hash"
	root="${1}/${LIVE_MEDIA_PATH:-live}/filesystem.squashfs"

	if [ ! -e "${delivered}" ]
	then
		note "no filesystem.squashfs.hash was delivered, so the root is taken as it is"
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
			"install the platform image anew on the headnode"
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
		problem "filesystem.squashfs is not the one that its hash is for: expected sha1 ${expected}, got ${got:-none}; the boot stops here" \
			"install the platform image anew on the headnode, and reset this machine"
		sleep "${triton_wrong_root_seconds}"
	done
}

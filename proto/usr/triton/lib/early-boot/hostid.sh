# shellcheck shell=sh
# Computes the hostid by which ZFS identifies this machine: CRC-32/ISO-HDLC (zlib's crc32) of the 36 characters of the
# system UUID as dmidecode prints it. It must never change between image versions, or pools would need `import -f`.
# Vector: 12345678-9abc-4def-8123-456789abcdef → 73cb1ae8, in the file as bytes e8 1a cb 73.

# is_uuid TEXT: succeeds for a lower-case UUID of 36 characters, as dmidecode 3.2 and later and the kernel print it.
is_uuid() {
	case $1 in
	*[!0-9a-f-]*) return 1 ;;
	????????-????-????-????-????????????) ;;
	*) return 1 ;;
	esac
	case $1 in
	*-*-*-*-*-* | 00000000-0000-0000-0000-000000000000 | ffffffff-ffff-ffff-ffff-ffffffffffff) return 1 ;;
	esac
}

# read_system_uuid: sets $system_uuid, or fails and sets $uuid_seen to the first line of dmidecode's output.
# dmidecode takes precedence, because older images made their pools with its spelling. If it prints something else
# ("Not Settable", a comment line), the kernel's value is used.
read_system_uuid() {
	uuid_seen=$(dmidecode -s system-uuid 2>/dev/null)
	if is_uuid "$uuid_seen"; then
		system_uuid=$uuid_seen
		return 0
	fi
	uuid_seen=${uuid_seen%%"
"*}
	note "dmidecode gives no system UUID: '$uuid_seen'"
	if { read -r system_uuid <"${sysroot?}/sys/class/dmi/id/product_uuid"; } 2>/dev/null && is_uuid "$system_uuid"; then
		console "system UUID $system_uuid read from sysfs, because dmidecode has none"
		return 0
	fi
	return 1
}

# crc32_of_uuid UUID: sets $crc32, bit by bit, because a table does not pay off for 36 characters.
# The result is never 0, which means "no hostid" to ZFS: one UUID in four thousand million has a CRC of 0, and gets 1.
crc32_of_uuid() {
	crc32=$((0xffffffff))
	rest=$1
	while [ -n "$rest" ]; do
		following=${rest#?}
		character=${rest%"$following"}
		rest=$following
		case $character in
		-) code=45 ;;
		[0-9]) code=$((48 + character)) ;;
		*) code=$((87 + 0x$character)) ;; # a is 97 in ASCII, and 10 in hexadecimal
		esac
		crc32=$((crc32 ^ code))
		bit=0
		while [ "$bit" -lt 8 ]; do
			crc32=$(((crc32 >> 1) ^ (0xedb88320 & -(crc32 & 1))))
			bit=$((bit + 1))
		done
	done
	crc32=$((crc32 ^ 0xffffffff))
	[ "$crc32" -ne 0 ] || crc32=1
}

# write_hostid FILE NUMBER: writes the four bytes of NUMBER to FILE, least significant first.
write_hostid() {
	format=
	for shift in 0 8 16 24; do
		byte=$((($2 >> shift) & 255))
		format="$format\\$((byte >> 6))$(((byte >> 3) & 7))$((byte & 7))"
	done
	# shellcheck disable=SC2059 # the format is the data: only printf's octal escapes can write a NUL
	printf "$format" >"$1"
}

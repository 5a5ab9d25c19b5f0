# shellcheck shell=sh
# Check whether a word is an address that systemd's daemons and ip(8) accept. The daemons drop other words without a message
# on the console.

# is_ipv4 WORD: succeeds for four numbers below 256 without leading zeros.
is_ipv4() {
	case $1 in
	*[!0-9.]* | *.*.*.*.*) return 1 ;;
	*.*.*.*) ;;
	*) return 1 ;;
	esac
	octets=$1.
	while [ -n "$octets" ]; do
		case ${octets%%.*} in
		[0-9] | [1-9][0-9] | 1[0-9][0-9] | 2[0-4][0-9] | 25[0-5]) octets=${octets#*.} ;;
		*) return 1 ;;
		esac
	done
}

# is_netmask WORD: succeeds for an IPv4 address of one bits, at least one, and then zero bits.
is_netmask() {
	is_ipv4 "$1" || return 1
	case $1 in
	0.0.0.0) return 1 ;;
	255.255.255.* | 255.255.*.0 | 255.*.0.0 | *.0.0.0) octets=${1##*255.} ;;
	*) return 1 ;;
	esac
	case ${octets%%.*} in
	0 | 128 | 192 | 224 | 240 | 248 | 252 | 254 | 255) ;;
	*) return 1 ;;
	esac
}

# is_ipv6 WORD: succeeds for eight groups of up to four hexadecimal digits. "::" stands for one or more groups, and the last
# two groups may be an IPv4 address (RFC 4291, section 2.2).
is_ipv6() {
	groups_left=$1
	case $groups_left in
	*:*.*)
		is_ipv4 "${groups_left##*:}" || return 1
		groups_left=${groups_left%:*}:0:0
		;;
	esac
	case $groups_left in
	*[!0-9A-Fa-f:]* | *:::* | *::*::* | :[!:]* | *[!:]:) return 1 ;;
	*::*) groups=1 ;;
	*) groups=0 ;;
	esac
	shortened=$groups
	groups_left=$groups_left:
	while [ -n "$groups_left" ]; do
		case ${groups_left%%:*} in
		'') ;;
		? | ?? | ??? | ????) groups=$((groups + 1)) ;;
		*) return 1 ;;
		esac
		groups_left=${groups_left#*:}
	done
	[ "$groups" -eq 8 ] || { [ "$shortened" -eq 1 ] && [ "$groups" -lt 8 ]; }
}

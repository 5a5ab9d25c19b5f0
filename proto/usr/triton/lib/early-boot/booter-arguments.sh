# shellcheck shell=sh
# Finds the booter's own kernel arguments ip= and BOOTIF=, even if other arguments of these names follow them.
#
# The booter appends the server's kernel arguments from CNAPI to its own. initramfs-tools takes the last argument of a name,
# so ip=dhcp in CNAPI would replace the address from the booter, and the booter's DHCP does not answer a booted system.
# Therefore only arguments with the parts of the booter's count, and the last of them wins. sysinfo (sysinfo/parse.mjs) and the
# boot test (harness/boot/kernel-arguments.ts) read them in the same way; fixtures/later-arguments.ts tests all three.

# shellcheck source=proto/usr/triton/lib/early-boot/addresses.sh
. "${TRITON_SYSROOT-}/usr/triton/lib/early-boot/addresses.sh"

# find_booter_ip: sets $ip to the last ip= with an address and a netmask, and $address and $netmask to these. Sets
# $ip_ignored to a later ip= without them, or to nothing. Fails if no ip= has an address and a netmask.
# $IP is the last ip=, as initramfs-tools reads it.
find_booter_ip() {
	ip_ignored=
	ip=${IP-}
	if split_ip "$ip"; then return 0; fi
	# shellcheck disable=SC2034 # the caller reads it
	ip_ignored=$ip
	ip=
	for_each_argument take_ip
	split_ip "$ip"
}

# split_ip ADDRESS:SERVER:GATEWAY:NETMASK[:...]: sets $address and $netmask; fails if ip(8) would not give a NIC the two.
# It accepts 0.0.0.0, but adds no address.
split_ip() {
	address=${1%%:*}
	netmask=${1#*:*:*:}
	[ "$netmask" != "$1" ] || return 1
	netmask=${netmask%%:*}
	[ "$address" != 0.0.0.0 ] && is_ipv4 "$address" && is_netmask "$netmask"
}

take_ip() {
	case $1 in
	ip=*) ! split_ip "${1#ip=}" || ip=${1#ip=} ;;
	esac
}

# find_bootif: sets $bootif to the last BOOTIF= that is a hardware type and a MAC, the form of PXE. Fails without one.
# $BOOTIF is the last BOOTIF=, as initramfs-tools reads it.
find_bootif() {
	bootif=
	take_bootif "BOOTIF=${BOOTIF-}"
	[ -n "$bootif" ] || for_each_argument take_bootif
	[ -n "$bootif" ]
}

take_bootif() {
	case $1 in
	BOOTIF=*[!0-9A-Fa-f-]* | *-*-*-*-*-*-*-*) ;;
	BOOTIF=??-??-??-??-??-??-??) bootif=${1#BOOTIF=} ;;
	esac
}

# for_each_argument COMMAND: runs COMMAND with each word of the kernel command line.
for_each_argument() {
	read -r arguments <"${TRITON_SYSROOT-}/proc/cmdline"
	set -f # words must not expand as file name patterns
	for argument in $arguments; do
		"$1" "$argument"
	done
	set +f
}

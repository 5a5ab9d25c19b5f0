# shellcheck shell=sh
# The booter's own kernel arguments ip= and BOOTIF=, where other arguments of these names come after them.
#
# The booter writes the server's kernel arguments from CNAPI behind its own. initramfs-tools takes the last argument of a name, so
# ip=dhcp in CNAPI would replace the address that the booter gives, and by DHCP the booter does not answer a booted system.
# So an argument counts if it has what the booter's has; of several the last.

# find_booter_ip: sets $ip to the last ip= that has an address and a netmask, $address and $netmask to these, and $ip_ignored to an
# ip= that came later and has none, else to nothing. Fails if there is no ip= with an address and a netmask.
# $IP is what initramfs-tools read: the last ip=.
find_booter_ip() {
	ip_ignored=
	ip=${IP-}
	if split_ip "$ip"; then return 0; fi
	# shellcheck disable=SC2034 # for the caller
	ip_ignored=$ip
	ip=
	for_each_argument take_ip
	split_ip "$ip"
}

# split_ip ADDRESS:SERVER:GATEWAY:NETMASK[:...]: sets $address and $netmask, or fails where one is missing.
split_ip() {
	address=${1%%:*}
	netmask=${1#*:*:*:}
	[ "$netmask" != "$1" ] || return 1
	netmask=${netmask%%:*}
	case $address,$netmask in
	*[!0-9.,]*) return 1 ;;
	*.*.*.*,*.*.*.*) return 0 ;;
	*) return 1 ;;
	esac
}

take_ip() {
	case $1 in
	ip=*) ! split_ip "${1#ip=}" || ip=${1#ip=} ;;
	esac
}

# find_bootif: sets $bootif to the last BOOTIF= that is a hardware type and a MAC, as the firmware's PXE has it. Fails if no such argument is there.
# $BOOTIF is what initramfs-tools read: the last BOOTIF=.
find_bootif() {
	bootif=
	take_bootif "BOOTIF=${BOOTIF-}"
	[ -n "$bootif" ] || for_each_argument take_bootif
	[ -n "$bootif" ]
}

take_bootif() {
	case $1 in
	*[!0-9A-Fa-f=BOTI-]*) ;;
	BOOTIF=??-??-??-??-??-??-??) bootif=${1#BOOTIF=} ;;
	esac
}

# for_each_argument COMMAND: runs COMMAND with each word of the kernel command line.
for_each_argument() {
	read -r arguments <"${TRITON_SYSROOT-}/proc/cmdline"
	set -f # no word is a pattern for file names
	for argument in $arguments; do
		"$1" "$argument"
	done
	set +f
}

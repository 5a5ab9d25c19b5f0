# shellcheck shell=sh
# Replaces two functions of live-boot. live-boot sources this file last. The replacement applies to a boot by iPXE with the
# booter's arguments (BOOTIF=01-aa-bb-… ip=ADDRESS:::NETMASK:: or …:::NETMASK:::none), even if other ip= and BOOTIF=
# arguments follow them (booter-arguments.sh). Any other boot keeps live-boot's own functions.
#
# Why: live-boot 20230131 ignores ip= when it fetches the root. It waits six seconds for a carrier, then asks for an
# address by DHCP with a vendor class that Triton's booter does not answer. klibc's ipconfig would give the address in that
# ip= to every NIC, because the argument names no device.

triton_boot_nic_timeout_seconds=60

# triton_find_boot_nic MAC: sets $DEVICE to the NIC's name, or fails.
triton_find_boot_nic () {
	for nic in "${sysroot?}"/sys/class/net/*
	do
		if { read -r nic_mac < "${nic}/address" ; } 2>/dev/null && [ "${nic_mac}" = "${1}" ] && [ -e "${nic}/device" ]
		then
			DEVICE="${nic##*/}"
			return 0
		fi
	done
	return 1
}

# triton_wait_for COMMAND...: polls COMMAND until it succeeds; fails after triton_boot_nic_timeout_seconds.
triton_wait_for () {
	polls_left=$((triton_boot_nic_timeout_seconds * 10))
	until "$@"
	do
		[ "${polls_left}" -gt 0 ] || return 1
		polls_left=$((polls_left - 1))
		sleep 0.1
	done
}

triton_has_carrier () {
	{ read -r carrier < "${sysroot?}/sys/class/net/${DEVICE?}/carrier" ; } 2>/dev/null && [ "${carrier}" = 1 ]
}

# triton_set_bond BOND MODE: sets the options that networking-units.jq sets for a bond of systemd-networkd. The kernel wants
# the mode first.
triton_set_bond () {
	options="${sysroot?}/sys/class/net/${1}/bonding"
	printf '%s\n' "${2}" > "${options}/mode" &&
		printf 'layer2+3\n' > "${options}/xmit_hash_policy" &&
		printf '100\n' > "${options}/miimon" || return 1
	[ "${2}" != 802.3ad ] || printf 'fast\n' > "${options}/lacp_rate"
}

# triton_join_bond MAC: if networking.json puts the boot NIC into an aggregation, creates the bond with that one NIC and sets
# $DEVICE to the bond, because many switches forward nothing before they receive LACP. In the new root systemd-networkd
# takes over the bond unchanged, even if its own file differs, and adds the other members. Otherwise $DEVICE stays unchanged.
triton_join_bond () {
	[ -s "${state_dir?}/bonds" ] || return 0
	while read -r bond mode bond_mac members
	do
		case " ${members} " in
			*" ${1} "*)
				if modprobe bonding max_bonds=0 && ip link add "${bond}" type bond &&
					triton_set_bond "${bond}" "${mode}" &&
					ip link set dev "${bond}" address "${bond_mac}" &&
					ip link set dev "${DEVICE?}" down && ip link set dev "${DEVICE}" master "${bond}"
				then
					note "the boot NIC ${DEVICE} is in the bond ${bond}"
					DEVICE="${bond}"
				else
					problem "the initramfs cannot create the bond ${bond} of networking.json, so ${DEVICE} fetches the root without it" \
						"check that the switch forwards the traffic of a single NIC"
				fi
				;;
		esac
	done < "${state_dir}/bonds"
}

# shellcheck source=proto/usr/triton/lib/early-boot/booter-arguments.sh
. "${TRITON_SYSROOT-}/usr/triton/lib/early-boot/booter-arguments.sh"

if find_bootif && find_booter_ip
then
	# do_netsetup chooses the NIC.
	Select_eth_device ()
	{
		:
	}

	do_netsetup ()
	{
		# shellcheck source=proto/usr/share/initramfs-tools/scripts/triton
		. "${TRITON_SYSROOT-}/scripts/triton"
		find_bootif
		find_booter_ip
		mac="$(boot_mac)"
		if [ -n "${ip_ignored}" ]
		then
			problem "the kernel argument ip=${ip_ignored} has no valid address and netmask, so the booter's ip=${ip} is used" \
				"remove ip= from the server's kernel arguments in CNAPI"
		fi
		if [ "${BOOTIF-}" != "${bootif}" ]
		then
			problem "the kernel argument BOOTIF=${BOOTIF-} has no MAC, so the booter's BOOTIF=${bootif} is used" \
				"remove BOOTIF= from the server's kernel arguments in CNAPI"
		fi

		if ! triton_wait_for triton_find_boot_nic "${mac}"
		then
			problem "no NIC with the MAC ${mac} of the kernel argument BOOTIF was found in ${triton_boot_nic_timeout_seconds} s" \
				"check that the image has a driver for it"
			return 1
		fi

		triton_join_bond "${mac}"

		# live-boot and the rest of the initramfs use $DEVICE.
		export DEVICE
		# Otherwise router advertisements would add addresses to the NIC.
		printf '1\n' > "${sysroot}/proc/sys/net/ipv6/conf/${DEVICE}/disable_ipv6"
		ip link set dev "${DEVICE}" up
		if ip address add "${address}/${netmask}" dev "${DEVICE}"
		then
			printf '%s %s/%s\n' "${DEVICE}" "${address}" "${netmask}" > "${state_dir?}/boot-nic"
		else
			problem "the boot NIC ${DEVICE} (${mac}) rejects the address of the kernel argument ip=${ip}" \
				"correct the server's admin NIC in NAPI, and reboot"
		fi

		if ! triton_wait_for triton_has_carrier
		then
			problem "the boot NIC ${DEVICE} (${mac}) has no carrier after ${triton_boot_nic_timeout_seconds} s" "check its cable"
		fi
	}
fi

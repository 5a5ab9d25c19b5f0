# shellcheck shell=sh
# Finds and imports the ZFS pools on this machine's disks, and finds out which one is the system pool.
#
# The programs and modules of ZFS run in the new root (new-root.sh). The initramfs then needs no copy of them, and
# filesystems are mounted at the paths of the booted system, which .zfs/snapshot depends on.
# Sources: zpool-import(8); for its output show_import() of OpenZFS 2.1, cmd/zpool/zpool_main.c.

: "${sysroot?}" "${state_dir:?}" "${early_boot_log:?}"
tab='	'
pools_seen=$state_dir/pools.seen         # ID, state, name and status, separated by tabs
pools_imported=$state_dir/pools.imported # one name per line, because pool names may contain spaces
pools_refused=$state_dir/pools.refused   # name and reason, separated by a tab

# Results:
system_pool=        # name of the system pool
other_system_pools= # names of further pools with .system_pool, between slashes
tried=' '           # IDs of the pools whose import was tried, between spaces
: >"$pools_imported"
: >"$pools_refused"

# one_line TEXT: prints TEXT with spaces instead of line breaks and tabs.
one_line() {
	printf '%s' "$1" | tr -s '\n\t' '  '
}

# quoted NAME: prints NAME as one word of a command, because names of pools and datasets may contain spaces.
quoted() {
	case $1 in
	*' '*) printf '"%s"' "$1" ;;
	*) printf '%s' "$1" ;;
	esac
}

# refuse NAME REASON REMEDY: records and reports a pool that exists but cannot be read.
refuse() {
	printf '%s\t%s\n' "$1" "$2" >>"$pools_refused"
	problem "pool $1: $2" "$3"
}

# has_disks: succeeds if the machine has a device that can hold a pool. sysinfo's Disks (sysinfo/storage.mjs) uses the same rule.
has_disks() {
	for device in "$sysroot"/sys/block/*; do
		case ${device##*/} in
		'*' | loop* | ram* | zram* | fd* | sr* | zd* | nbd* | mmcblk*boot* | mmcblk*rpmb) ;;
		*) return 0 ;;
		esac
	done
	return 1
}

# list_disks: sets $disks to all disks and partitions with their sizes, without a fork.
list_disks() {
	disks=
	for device in "$sysroot"/sys/class/block/*; do
		case ${device##*/} in
		zd*) ;; # volumes of an imported pool
		*) { read -r sectors <"$device/size"; } 2>/dev/null && disks="$disks ${device##*/}=$sectors" ;;
		esac
	done
}

# look_for_pools: writes the pools that ZFS can see on the disks to $pools_seen.
look_for_pools() {
	: >"$pools_seen"
	has_disks || return 0
	listing=$state_dir/zpool-import
	if ! in_root modprobe zfs 2>"$listing.error" || ! in_root zpool import >"$listing" 2>"$listing.error"; then
		said=$(one_line "$(cat "$listing.error")")
		case $said in
		*"no pools available"*) ;;
		*) refuse "(any)" "ZFS does not work: $said" "boot another platform image" ;;
		esac
		[ -s "$listing" ] || return 0
	fi
	id=
	status=
	field=
	# A line that begins with a tab continues the field before it. Each such line of config names a device and its state.
	while IFS= read -r line; do
		note "zpool import: $line"
		case $field,$line in
		status,"$tab"*) status="$status ${line#"$tab"}" ;;
		config,"$tab  "*" UNAVAIL"*)
			read -r device _ <<-END
				$line
			END
			status="${status%.} ($device is missing or not readable)"
			;;
		*,"$tab"*) ;;
		*:*)
			field=${line%%:*}
			field=${field##* }
			text=${line#*: }
			case $field in
			pool)
				remember_pool
				name=$text
				;;
			id) id=$text ;;
			state) state=$text ;;
			status) status=$text ;;
			esac
			;;
		esac
	done <"$listing"
	remember_pool
}

# remember_pool: adds the pool in $id, $state, $name and $status to $pools_seen.
remember_pool() {
	[ -z "$id" ] || printf '%s\t%s\t%s\t%s\n' "$id" "$state" "$name" "$status" >>"$pools_seen"
	id=
	status=
}

# import_pools whole|all: imports the seen pools that were not tried yet: only complete ones, or all that ZFS can import.
# It mounts nothing, and never forces an import.
import_pools() {
	while IFS=$tab read -r id state name status; do
		case $1,$state,$tried in
		*" $id "*) continue ;;
		whole,ONLINE,* | all,*) ;;
		*) continue ;;
		esac
		tried="$tried$id "
		# By ID, because two pools may have the same name. Without a cache file, which would not outlive this boot.
		if in_root zpool import -N -o cachefile=none "$id" >"$state_dir/zpool-import.error" 2>&1; then
			note "imported pool $name ($id)"
			printf '%s\n' "$name" >>"$pools_imported"
			recognize_system_pool
		else
			refuse_pool
		fi
	done <"$pools_seen"
}

# refuse_pool: reports why ZFS did not import pool $name, and what to do about it.
refuse_pool() {
	reason=$(one_line "$(cat "$state_dir/zpool-import.error")")
	note "zpool import $name: $reason"
	reason=${reason#"cannot import '$name': "}
	# For an incomplete pool the status names the cause; the error message only suggests to destroy the pool.
	[ "$state" = ONLINE ] || [ -z "$status" ] || reason=$status
	case $reason in
	*"another system"*)
		reason=${reason%% The pool can be imported*}
		remedy="make sure that no other machine uses its disks, boot with noimport=true, run 'zpool import -fN $(quoted "$name")', and reboot"
		;;
	*"not supported"* | *feature* | *version*) remedy="boot a platform image with a newer ZFS" ;;
	*missing* | *unavailable*) remedy="attach the missing disks, and reboot" ;;
	*) remedy="run 'zpool import' to see the cause, fix it, and reboot" ;;
	esac
	refuse "$name" "not imported: ${reason%.}" "$remedy"
}

# recognize_system_pool: makes the imported pool $name the system pool if its root dataset contains .system_pool.
# It mounts the dataset read-only at a temporary place for the check; mount_pools decides later whether to mount it.
recognize_system_pool() {
	mkdir -p "$state_dir/pool"
	option=zfsutil,ro
	[ "$(in_root zfs get -H -o value mountpoint "$name")" != legacy ] || option=ro
	if ! said=$(in_root mount -t zfs -o "$option" "$name" /run/triton/pool 2>&1); then
		refuse "$name" "its root dataset cannot be mounted to look for .system_pool: $(one_line "$said")" \
			"check that it is neither encrypted nor damaged"
		return
	fi
	# Use the path in the new root: a mount in one view of /run is not visible in the other.
	if [ ! -e "${rootmnt:?}/run/triton/pool/.system_pool" ]; then
		note "pool $name has no .system_pool"
	elif [ -z "$system_pool" ]; then
		system_pool=$name
	else
		problem "pool $name contains .system_pool, and so does the system pool $system_pool: nothing of $name is mounted" \
			"remove .system_pool from the pool that is not the system pool, or detach the disks of that pool"
		other_system_pools="$other_system_pools/$name/"
	fi
	in_root umount /run/triton/pool
}

# refused_pools: prints the pools that exist but cannot be read, each with its reason, as one line.
refused_pools() {
	separator=
	while IFS=$tab read -r name reason; do
		printf '%spool %s: %s' "$separator" "$name" "$reason"
		separator='; '
	done <"$pools_refused"
}

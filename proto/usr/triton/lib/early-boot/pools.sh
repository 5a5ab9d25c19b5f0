# shellcheck shell=sh
# The ZFS pools that this machine's disks hold: which there are, importing them, and which one is the system pool.
#
# ZFS's programs and modules are those of the new root, run in it (new-root.sh): the initramfs needs no copy of them, and
# what is mounted has the paths by which the booted system knows it (.zfs/snapshot goes by these).
# Sources: zpool-import(8); show_import() of OpenZFS 2.1, cmd/zpool/zpool_main.c, for what it prints.

: "${sysroot?}" "${state_dir:?}" "${early_boot_log:?}"
tab='	'
pools_seen=$state_dir/pools.seen         # ID, state, name and status, with tabs between them
pools_imported=$state_dir/pools.imported # a name per line, as pool names may have spaces in them
pools_refused=$state_dir/pools.refused   # name and reason, with a tab between them

# What is found out:
system_pool=        # its name
other_system_pools= # names of others that say they are one, between slashes
tried=' '           # IDs of the pools whose import was tried, between spaces
: >"$pools_imported"
: >"$pools_refused"

# one_line TEXT: prints TEXT with a space for each line break in it.
one_line() {
	printf '%s' "$1" | tr -s '\n\t' '  '
}

# quoted NAME: prints NAME as a word of a command: pools and datasets may have spaces in their names.
quoted() {
	case $1 in
	*' '*) printf '"%s"' "$1" ;;
	*) printf '%s' "$1" ;;
	esac
}

# refuse NAME REASON REMEDY: a pool that is there and cannot be read.
refuse() {
	printf '%s\t%s\n' "$1" "$2" >>"$pools_refused"
	problem "pool $1: $2" "$3"
}

# has_disks: whether there is any device that a pool could be on.
has_disks() {
	for device in "$sysroot"/sys/block/*; do
		case ${device##*/} in
		'*' | loop* | ram* | zram* | fd* | sr* | zd*) ;;
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
		zd*) ;; # volumes come with a pool
		*) { read -r sectors <"$device/size"; } 2>/dev/null && disks="$disks ${device##*/}=$sectors" ;;
		esac
	done
}

# look_for_pools: asks ZFS which pools there are to import, and writes $pools_seen.
look_for_pools() {
	: >"$pools_seen"
	has_disks || return 0
	listing=$state_dir/zpool-import
	if ! in_root modprobe zfs 2>"$listing.error" || ! in_root zpool import >"$listing" 2>"$listing.error"; then
		said=$(one_line "$(cat "$listing.error")")
		case $said in
		*"no pools available"*) ;;
		*) refuse "of any name" "ZFS does not work ($said)" "boot another platform image" ;;
		esac
		[ -s "$listing" ] || return 0
	fi
	id=
	status=
	field=
	# Lines that begin with a tab go on with the field before them; those of config tell of a device and its state each.
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

# remember_pool: adds the pool whose fields were read to $pools_seen.
remember_pool() {
	[ -z "$id" ] || printf '%s\t%s\t%s\t%s\n' "$id" "$state" "$name" "$status" >>"$pools_seen"
	id=
	status=
}

# import_pools whole|all: imports those seen that were not tried yet, without mounting anything: the ones that are
# whole, or whatever can be imported. None by force.
import_pools() {
	while IFS=$tab read -r id state name status; do
		case $1,$state,$tried in
		*" $id "*) continue ;;
		whole,ONLINE,* | all,*) ;;
		*) continue ;;
		esac
		tried="$tried$id "
		# By its ID, as two pools may have one name. No cache file: it would not outlive this boot.
		if in_root zpool import -N -o cachefile=none "$id" >"$state_dir/zpool-import.error" 2>&1; then
			note "imported pool $name ($id)"
			printf '%s\n' "$name" >>"$pools_imported"
			recognize_system_pool
		else
			refuse_pool
		fi
	done <"$pools_seen"
}

# refuse_pool: tells why ZFS did not import pool $name, and what to do about it.
refuse_pool() {
	reason=$(one_line "$(cat "$state_dir/zpool-import.error")")
	note "zpool import $name: $reason"
	reason=${reason#"cannot import '$name': "}
	# Of a pool that is not whole its status tells what is wrong, and the error to destroy it.
	[ "$state" = ONLINE ] || [ -z "$status" ] || reason=$status
	case $reason in
	*"another system"*)
		reason=${reason%% The pool can be imported*}
		remedy="see that no other machine uses its disks, boot with noimport=true, run 'zpool import -fN $(quoted "$name")', and reboot"
		;;
	*"not supported"* | *feature* | *version*) remedy="boot a platform image whose ZFS is new enough for it" ;;
	*missing* | *unavailable*) remedy="attach the disks that it lacks, and reboot" ;;
	*) remedy="see what 'zpool import' says, mend it, and reboot" ;;
	esac
	refuse "$name" "not imported: ${reason%.}" "$remedy"
}

# recognize_system_pool: takes pool $name, just imported, for the system pool if its root dataset holds .system_pool.
# The dataset is mounted aside for that, and read-only: whether it is mounted at all is decided later.
recognize_system_pool() {
	mkdir -p "$state_dir/pool"
	option=zfsutil,ro
	[ "$(in_root zfs get -H -o value mountpoint "$name")" != legacy ] || option=ro
	if ! said=$(in_root mount -t zfs -o "$option" "$name" /run/triton/pool 2>&1); then
		refuse "$name" "its root dataset cannot be mounted to look for .system_pool: $(one_line "$said")" \
			"see that it is neither encrypted nor damaged"
		return
	fi
	# By the path in the new root: what is mounted in one view of /run is not there in the other.
	if [ ! -e "${rootmnt:?}/run/triton/pool/.system_pool" ]; then
		note "pool $name has no .system_pool"
	elif [ -z "$system_pool" ]; then
		system_pool=$name
	else
		problem "pool $name has .system_pool in it, as has the system pool $system_pool: nothing of $name is mounted" \
			"remove .system_pool from the one that is not the system pool, or take its disks out"
		other_system_pools="$other_system_pools/$name/"
	fi
	in_root umount /run/triton/pool
}

# refused_pools: prints, for one line, the pools that are there and cannot be read, each with its reason.
refused_pools() {
	separator=
	while IFS=$tab read -r name reason; do
		printf '%spool %s: %s' "$separator" "$name" "$reason"
		separator='; '
	done <"$pools_refused"
}

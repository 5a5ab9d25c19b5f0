# shellcheck shell=sh
# Mounts the filesystems of the imported pools in the new root. Needs the functions of new-root.sh and pools.sh.
# Sources: zfs-mount(8), zfsprops(7).

: "${state_dir:?}" "${early_boot_log:?}" "${pools_imported:?}" "${system_pool?}" "${other_system_pools?}" "${tab:?}"

# mount_pools: mounts each filesystem that has canmount=on and a mountpoint, in the order of mountpoints, so that parents
# come first. If two filesystems have the same mountpoint, the system pool's is mounted. If the filesystem with the
# configuration is not mounted, sets $configuration_hidden to the reason.
# shellcheck disable=SC2034 # the caller reads configuration_hidden
mount_pools() {
	configuration_hidden=
	filesystems=$state_dir/filesystems
	list_filesystems
	LC_ALL=C sort "$filesystems" >"$filesystems.sorted"
	taken=
	while IFS=$tab read -r mountpoint rank key dataset; do
		if mount_filesystem; then
			taken=$mountpoint
			continue
		fi
		problem "$dataset is not mounted on $mountpoint: $why" "see 'zfs get all $(quoted "$dataset")'"
		case $rank,/opt/triton/config/ in
		0,"$mountpoint"/*) configuration_hidden="$dataset is not mounted: $why" ;;
		esac
	done <"$filesystems.sorted"
}

# list_filesystems: writes a line for each filesystem to mount to $filesystems: mountpoint, rank (0 for the system pool),
# state of the key, and name, separated by tabs. The mountpoint is first, for sort.
list_filesystems() {
	: >"$filesystems"
	while IFS= read -r pool; do
		case $other_system_pools in
		*"/$pool/"*) continue ;;
		esac
		rank=1
		[ "$pool" != "$system_pool" ] || rank=0
		listing=$state_dir/zfs-list
		if ! in_root zfs list -H -r -t filesystem -o mountpoint,canmount,keystatus,name "$pool" >"$listing" 2>"$listing.error"; then
			why="the filesystems of pool $pool cannot be listed: $(one_line "$(cat "$listing.error")")"
			problem "$why" "see 'zfs list -r $(quoted "$pool")'"
			# shellcheck disable=SC2034 # the caller of mount_pools reads it
			[ "$rank" != 0 ] || configuration_hidden=$why
		fi
		while IFS=$tab read -r place canmount keystatus name; do
			# A line that a tab or a line break in a mountpoint has split does not match these patterns.
			case $place,$canmount,$name/ in
			/*,on,"$pool/lxdpool/"*) ;; # LXD mounts the filesystems of its storage pool
			/*,on,"$pool/"*) printf '%s\t%s\t%s\t%s\n' "$place" "$rank" "$keystatus" "$name" >>"$filesystems" ;;
			esac
		done <"$listing"
	done <"$pools_imported"
}

# mount_filesystem: mounts $dataset, or sets $why to the reason and fails.
mount_filesystem() {
	why=
	case $key,$mountpoint/ in
	unavailable,*) why="it is encrypted, and its key is not loaded" ;;
	*,"$taken"/) why="another filesystem is mounted there" ;;
	*,*/../*) why="the path contains .." ;;
	*,// | *,/etc/ | *,/usr/ | *,/usr/bin/ | *,/usr/sbin/ | *,/usr/lib/ | *,/bin/ | *,/sbin/ | *,/lib/ | *,/lib64/)
		why="it would hide the image's files"
		;;
	*,/proc/* | *,/sys/* | *,/dev/* | *,/run/*) why="the kernel's file systems are mounted there" ;;
	esac
	# Only filesystems of the system pool may hide files of the image.
	if [ -z "$why" ] && [ "$rank" != 0 ] && [ -n "$(in_root ls -A "$mountpoint" 2>/dev/null)" ]; then
		why="the folder is not empty, and only filesystems of the system pool may hide files"
	fi
	[ -n "$why" ] || said=$(in_root zfs mount "$dataset" 2>&1) || why=$(one_line "$said")
	[ -z "$why" ]
}

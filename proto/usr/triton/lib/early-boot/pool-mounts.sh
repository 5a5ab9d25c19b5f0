# shellcheck shell=sh
# Mounting the filesystems of the imported pools where the booted system has them.
# Uses what new-root.sh and pools.sh define. Sources: zfs-mount(8), zfsprops(7).

: "${state_dir:?}" "${early_boot_log:?}" "${pools_imported:?}" "${system_pool?}" "${other_system_pools?}" "${tab:?}"

# mount_pools: mounts, in the order of mountpoints and so parents first, each filesystem that has canmount=on and a
# mountpoint of its own. Of two with one mountpoint the system pool's is mounted. If what the configuration is on may
# not be mounted, sets $configuration_hidden to why.
# shellcheck disable=SC2034 # configuration_hidden is for the caller
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

# list_filesystems: writes to $filesystems mountpoint, rank (0 for the system pool), state of the key and name of each
# filesystem that is to be mounted, with tabs between them. The mountpoint comes first, for sort.
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
			# shellcheck disable=SC2034 # for whoever calls mount_pools
			[ "$rank" != 0 ] || configuration_hidden=$why
		fi
		while IFS=$tab read -r place canmount keystatus name; do
			# A tab or a line break in a mountpoint makes lines that are not of this form.
			case $place,$canmount,$name/ in
			/*,on,"$pool/lxdpool/"*) ;; # LXD mounts what is in its storage pool
			/*,on,"$pool/"*) printf '%s\t%s\t%s\t%s\n' "$place" "$rank" "$keystatus" "$name" >>"$filesystems" ;;
			esac
		done <"$listing"
	done <"$pools_imported"
}

# mount_filesystem: mounts $dataset, or sets $why to why not and fails.
mount_filesystem() {
	why=
	case $key,$mountpoint/ in
	unavailable,*) why="it is encrypted, and its key is not loaded" ;;
	*,"$taken"/) why="another filesystem is there" ;;
	*,*/../*) why="that is not a plain path" ;;
	*,// | *,/etc/ | *,/usr/ | *,/usr/bin/ | *,/usr/sbin/ | *,/usr/lib/ | *,/bin/ | *,/sbin/ | *,/lib/ | *,/lib64/)
		why="it would hide the image"
		;;
	*,/proc/* | *,/sys/* | *,/dev/* | *,/run/*) why="the kernel's file systems are there" ;;
	esac
	# Only the system pool's may hide what the image has: any other is a guest.
	if [ -z "$why" ] && [ "$rank" != 0 ] && [ -n "$(in_root ls -A "$mountpoint" 2>/dev/null)" ]; then
		why="that folder is not empty, and only the system pool's filesystems may hide what is in one"
	fi
	[ -n "$why" ] || said=$(in_root zfs mount "$dataset" 2>&1) || why=$(one_line "$said")
	[ -z "$why" ]
}

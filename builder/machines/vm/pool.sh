#!/bin/sh
# What the builder VM does with its pool (DESIGN D7); livelab sends it with each call, as standard input of `sh -s`.
#   pool.sh open MAY_CREATE           imports the pool, makes it where there is none and MAY_CREATE is "yes"; sweeps
#   pool.sh begin STAMP STAGE FROM    the release as the stage with key FROM left it ("-": empty), mounted, writable
#   pool.sh commit STAMP STAGE KEY MS takes the snapshot of a stage that ended well
#   pool.sh show STAMP FROM [STAGE]   a clone of that state, mounted in the release's place; where STAGE was the last to
#                                     begin after it, of what that left
#   pool.sh drop STAMP...             destroys these releases and gives the freed room back to the host
#   pool.sh close                     exports the pool
# After open, commit and drop the last lines printed are all that stages left: "snapshot <name> <key> <ms>".
# A release is the dataset triton/debian-live-<stamp>; @<stage> is as it was before the stage, @<stage>-done after it.
# Sources: zpool-import(8), zfs-snapshot(8), zfs-clone(8), zfs-promote(8), zfs-rollback(8).
set -eu
pool=triton
# A partition, because ZFS would wait for udev to label a whole disk; livelab wrote the partition table.
disk=/dev/vdb1

# No udev runs here, whose word on the disk zpool would wait for 3 s long (zpool(8), environment).
export ZFS_VDEV_DEVID_OPT_OUT=YES

dataset() { echo "$pool/debian-live-$1"; }
exists() { zfs list -H -o name "$1" >/dev/null 2>&1; }

list_stages() {
  zfs list -H -p -t snapshot -o name,livelab:key,livelab:ms -r "$pool" |
    awk '$1 ~ /-done$/ { print "snapshot", $1, $2, $3 }'
}

# The snapshot that the stage with a key left, the one in a dataset named first where there are several.
find_stage() {
  list_stages | awk -v key="$1" -v own="$2@" '
    $3 == key { if (index($2, own) == 1) mine = $2; else other = $2 }
    END { print mine != "" ? mine : other }'
}

# What was only for looking at; left behind where a machine was killed.
sweep() {
  zfs list -H -o name -d 1 "$pool" | sed -n "/^$pool\/look-/p" | while read -r look; do zfs destroy "$look"; done
  zfs list -H -t snapshot -o name -r "$pool" | sed -n '/@look-/p' | while read -r look; do zfs destroy "$look"; done
}

# Destroys a dataset; what others were cloned from moves to them.
remove() {
  exists "$1" || return 0
  zfs list -H -t snapshot -o clones -r -d 1 "$1" | tr , '\n' | grep "^$pool/" | while read -r clone; do
    # It may have moved along with one promoted before it.
    case $(zfs get -H -o value origin "$clone") in "$1@"*) zfs promote "$clone" ;; esac
  done
  zfs destroy -r "$1"
}

case $1 in
  open)
    if ! zpool import -f -N -d "$disk" -o cachefile=none "$pool" 2>/run/import.err; then
      # A pool that is there and cannot be imported is never taken for none.
      if [ "$2" != yes ]; then
        cat /run/import.err >&2
        exit 1
      fi
      zpool create -o ashift=12 -o cachefile=none -O sync=disabled -O atime=off -O xattr=sa -O compression=off \
        -O mountpoint=/data "$pool" "$disk"
      zfs mount "$pool" 2>/dev/null || mountpoint -q /data
      : >/data/.system_pool
    fi
    mountpoint -q /data || zfs mount "$pool"
    sweep
    list_stages
    ;;
  begin)
    own=$(dataset "$2")
    if [ "$4" = - ]; then
      remove "$own"
      zfs create -o mountpoint="/data/debian-live/$2" -o canmount=noauto "$own"
    else
      from=$(find_stage "$4" "$own")
      case $from in
        "$own@"*)
          # A rollback destroys what is newer, and may not where others are clones of it: they take it over first.
          zfs list -H -t snapshot -o name,clones -s createtxg -r -d 1 "$own" |
            awk -v from="$from" 'newer && $2 != "-" { print $2 } $1 == from { newer = 1 }' | tr , '\n' >/run/clones
          if [ -s /run/clones ]; then
            while read -r clone; do
              case $(zfs get -H -o value origin "$clone") in "$own@"*) zfs promote "$clone" ;; esac
            done </run/clones
            from=$(find_stage "$4" "$own")
          fi
          ;;
      esac
      case $from in
        '')
          echo "no stage has left $4" >&2
          exit 3
          ;;
        "$own@"*) zfs rollback -r "$from" ;;
        *)
          remove "$own"
          zfs clone -o mountpoint="/data/debian-live/$2" -o canmount=noauto "$from" "$own"
          ;;
      esac
    fi
    zfs snapshot "$own@$3"
    zfs mount "$own"
    ;;
  commit)
    # A snapshot holds what was written, not what a program changed in a mapped file and the kernel has yet to write.
    sync
    zfs snapshot -o livelab:key="$4" -o livelab:ms="$5" "$(dataset "$2")@$3-done"
    list_stages
    ;;
  show)
    own=$(dataset "$2")
    look=$pool/look-$$
    newest=$(zfs list -H -t snapshot -o name -s createtxg -r -d 1 "$own" 2>/dev/null | tail -n 1)
    what=$3
    if [ "$newest" = "$own@${4:-}" ]; then what=failed; fi
    case $what in
      failed)
        zfs snapshot "$own@look-$$"
        zfs clone -o mountpoint="/data/debian-live/$2" -o canmount=noauto "$own@look-$$" "$look"
        ;;
      -) zfs create -o mountpoint="/data/debian-live/$2" -o canmount=noauto "$look" ;;
      *)
        from=$(find_stage "$3" "$own")
        if [ -z "$from" ]; then
          echo "no stage has left $3" >&2
          exit 3
        fi
        zfs clone -o mountpoint="/data/debian-live/$2" -o canmount=noauto "$from" "$look"
        ;;
    esac
    zfs mount "$look"
    ;;
  drop)
    shift
    for stamp in "$@"; do remove "$(dataset "$stamp")"; done
    zpool trim -w "$pool"
    list_stages
    ;;
  close)
    zpool export -f "$pool"
    ;;
  *)
    echo "pool.sh: no command $1" >&2
    exit 2
    ;;
esac

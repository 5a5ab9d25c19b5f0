#!/bin/sh
# The commands that the builder VM runs on its pool (DESIGN D7). livelab sends this file with each call, on the standard
# input of `sh -s`.
#   pool.sh open MAY_CREATE           imports the pool, or creates it if it cannot be imported and MAY_CREATE is "yes"; then
#                                     removes old clones for inspection
#   pool.sh begin STAMP STAGE FROM    mounts the release, writable, in the state after the stage with key FROM ("-": empty)
#   pool.sh commit STAMP STAGE KEY MS takes the snapshot of a stage that succeeded
#   pool.sh show STAMP FROM [STAGE]   mounts a clone of the state after FROM as the release; if STAGE was the last to begin
#                                     after FROM, a clone of the files that it left
#   pool.sh drop STAMP...             destroys these releases and returns the free space to the host
#   pool.sh close                     exports the pool
# open, commit and drop end their output with a line for each finished stage: "snapshot <name> <key> <ms>".
# A release is the dataset triton/debian-live-<stamp>. Its snapshot @<stage> is the state before a stage, @<stage>-done the
# state after it.
# Sources: zpool-import(8), zfs-snapshot(8), zfs-clone(8), zfs-promote(8), zfs-rollback(8).
set -eu
pool=triton
# A partition, because ZFS would wait for udev to label a whole disk; livelab wrote the partition table.
disk=/dev/vdb1

# The VM has no udev. Without this variable zpool would wait 3 s for udev to identify the disk (zpool(8), environment).
export ZFS_VDEV_DEVID_OPT_OUT=YES

dataset() { echo "$pool/debian-live-$1"; }
exists() { zfs list -H -o name "$1" >/dev/null 2>&1; }

list_stages() {
  zfs list -H -p -t snapshot -o name,livelab:key,livelab:ms -r "$pool" |
    awk '$1 ~ /-done$/ { print "snapshot", $1, $2, $3 }'
}

# find_stage KEY DATASET: prints the snapshot of the stage with that key, preferably one of that dataset.
find_stage() {
  list_stages | awk -v key="$1" -v own="$2@" '
    $3 == key { if (index($2, own) == 1) mine = $2; else other = $2 }
    END { print mine != "" ? mine : other }'
}

# Removes clones and snapshots that were made only for inspection, and that a killed machine left behind.
sweep() {
  zfs list -H -o name -d 1 "$pool" | sed -n "/^$pool\/look-/p" | while read -r look; do zfs destroy "$look"; done
  zfs list -H -t snapshot -o name -r "$pool" | sed -n '/@look-/p' | while read -r look; do zfs destroy "$look"; done
}

# Destroys a dataset. Snapshots that other datasets were cloned from move to those datasets.
remove() {
  exists "$1" || return 0
  zfs list -H -t snapshot -o clones -r -d 1 "$1" | tr , '\n' | grep "^$pool/" | while read -r clone; do
    # The snapshot may already have moved with an earlier promoted clone.
    case $(zfs get -H -o value origin "$clone") in "$1@"*) zfs promote "$clone" ;; esac
  done
  zfs destroy -r "$1"
}

case $1 in
  open)
    if ! zpool import -f -N -d "$disk" -o cachefile=none "$pool" 2>/run/import.err; then
      # Never treat a pool that exists and cannot be imported as a missing pool.
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
          # A rollback destroys newer snapshots, and fails if one of them has clones. Promote those clones first.
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
          echo "the pool has no result of a stage with key $4" >&2
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
    # Flush first: a snapshot does not contain changes to mapped files that the kernel has not written yet.
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
          echo "the pool has no result of a stage with key $3" >&2
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
    echo "pool.sh: unknown command: $1" >&2
    exit 2
    ;;
esac

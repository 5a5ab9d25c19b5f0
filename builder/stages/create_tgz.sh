#!/bin/sh
# create_tgz: the platform archives. platform-<stamp>.tgz is what `sdcadm platform install` unpacks; platform.tgz is the
# documented layout; the two differ in the name of their one top folder. With them build.tgz: what made the image and is not in it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hash.sh"
. "$(dirname "$0")/mtree.sh"

# archive FOLDER PROGRAM FILE: one folder of $SCRATCH/tgz, compressed by PROGRAM; whoever made its files and whenever.
# ustar: names and sizes as every tar reads them. Links are followed: they stand for files of image/, and a hard link would
# have overlayfs copy these into this layer.
archive() {
  tar -c --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --dereference \
    --mtime="@$SOURCE_DATE_EPOCH" --use-compress-program="$2" --file="$3" -C "$SCRATCH/tgz" "$1"
}

rm -rf "$SCRATCH/tgz"

# The lock names every package with its digest. In full are the two that no mirror has, or whose licence (CDDL) asks for the
# source beside the binary: the ZFS modules and what they were compiled from.
# Of the logs, dpkg's alone: what it did, in order, without times. The others tell of times, speeds and what was reused.
build=$SCRATCH/tgz/build
mkdir -p "$build/lock" "$build/logs"
for set in $LOCK_SETS; do
  fetch "$set/Packages" "$build/lock/$set.Packages"
done
printf '%s\n' "$NPM_LOCK" >"$build/lock/npm"
cp "$SCRATCH/zfs-modules.deb" "$build/"
fetch "$ZFS_SOURCE" "$build/$(basename "$ZFS_SOURCE")"
cp "$SCRATCH/dpkg.log" "$build/logs/dpkg.log"
cp "$IMAGE/filesystem.sources" "$build/"
chmod -R u=rwX,go=rX "$build"
archive build 'gzip -n -9' "$IMAGE/build.tgz"
write_hash "$IMAGE/build.tgz"
for set in $BUILD_SETS; do
  sed -n 's/^Package: //p; s/^Version: //p' "$build/lock/$set.Packages" | paste -d ' ' - -
done | sort -u >"$IMAGE/build.tgz.packages"
mtree "$SCRATCH/tgz" >"$IMAGE/build.tgz.manifest"

version=$SCRATCH/tgz/platform/etc/version
files=$SCRATCH/tgz/platform/x86_64
mkdir -p "$version" "$files"
echo "$STAMP" >"$version/platform"
cp "$CHROOT/usr/lib/os-release" "$version/os-release"
printf '%s\n' "$GITSTATUS" >"$version/gitstatus"
for file in vmlinuz initrd initrd.hash filesystem.squashfs filesystem.squashfs.hash filesystem.packages filesystem.manifest \
  build.tgz build.tgz.hash build.tgz.packages build.tgz.manifest; do
  ln -s "$IMAGE/$file" "$files/$file"
done
ln -s platform "$SCRATCH/tgz/platform-$STAMP"

# The large parts are compressed already: level 0 loses 0.2 % and takes a twentieth of the time of level 1.
# With one processor pigz divides its output differently, with two or more always in the same way.
archive platform 'pigz -n -0 -p 2' "$IMAGE/platform.tgz" &
documented=$!
archive "platform-$STAMP" 'pigz -n -0 -p 2' "$IMAGE/platform-$STAMP.tgz"
wait "$documented"
rm -rf "$SCRATCH/tgz"

#!/bin/sh
# create_tgz: makes the platform archives. `sdcadm platform install` unpacks platform-<stamp>.tgz; platform.tgz has the
# documented layout. They differ only in the name of their top folder. Both contain build.tgz: inputs and logs of the build
# that are not in the image.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hash.sh"
. "$(dirname "$0")/mtree.sh"

# archive FOLDER PROGRAM FILE: writes one folder of $SCRATCH/tgz to FILE, compressed by PROGRAM. Owners, modes and times of
# the files do not matter. Every tar can read the names and sizes of ustar. Links are followed: they stand for files of
# image/, because overlayfs would copy the target of a hard link into this layer.
archive() {
  tar -c --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --dereference \
    --mtime="@$SOURCE_DATE_EPOCH" --use-compress-program="$2" --file="$3" -C "$SCRATCH/tgz" "$1"
}

rm -rf "$SCRATCH/tgz"

# The lock names every package with its digest. Two files are included in full: the ZFS modules, which no mirror has, and
# their source, which their licence (CDDL) requires with the binary.
# Of the logs only dpkg's is included: its actions in order, without times. The others contain times, speeds and reuse.
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

# The large parts are compressed already: level 0 makes the archive 0.2 % larger, in a twentieth of the time of level 1.
# pigz divides its output differently with one processor, and always in the same way with two or more.
archive platform 'pigz -n -0 -p 2' "$IMAGE/platform.tgz" &
documented=$!
archive "platform-$STAMP" 'pigz -n -0 -p 2' "$IMAGE/platform-$STAMP.tgz"
wait "$documented"
rm -rf "$SCRATCH/tgz"

#!/bin/sh
# Compiles the ZFS kernel modules for one kernel in the builder machine's own root, which is deleted afterwards, so that
# compiler and headers never enter the image. Makes a .deb, so that dpkg in the image knows the files.
#   build_zfs_modules.sh KERNEL OUTPUT.deb        environment: GATEWAY ZFS_BUILD_PACKAGES
. "$(dirname "$0")/lib.sh"
kernel=$1
output=$2

printf 'deb [trusted=yes] %s/zfs-build/ ./\n' "$GATEWAY" >/etc/apt/sources.list
apt-get -q update
# shellcheck disable=SC2086 # a list of words
apt-get -q -y -o Dpkg::Use-Pty=0 install $ZFS_BUILD_PACKAGES

# Unpacks only the sources of zfs-dkms. Its installation would make dkms compile for every kernel that it finds.
work=$(mktemp -d)
cd "$work"
apt-get -q download zfs-dkms
version=$(dpkg-deb -f zfs-dkms_*.deb Version)
dpkg-deb -x zfs-dkms_*.deb /
cd /usr/src/zfs-[0-9]*
SOURCE_DATE_EPOCH=$(stat -c %Y META)
KBUILD_BUILD_TIMESTAMP=@$SOURCE_DATE_EPOCH
export SOURCE_DATE_EPOCH KBUILD_BUILD_TIMESTAMP KBUILD_BUILD_USER=livelab KBUILD_BUILD_HOST=builder

say "configuring ZFS $version"
./configure --quiet --prefix=/usr --with-config=kernel \
  --with-linux="/usr/src/linux-headers-${kernel%-*}-common" --with-linux-obj="/usr/src/linux-headers-$kernel"
say "compiling ZFS $version"
make -j "$(nproc)"

package=$work/package
find module -name '*.ko' | while read -r module; do
  install -D -m 644 "$module" "$package/lib/modules/$kernel/extra/zfs/${module##*/}"
done
[ -f "$package/lib/modules/$kernel/extra/zfs/zfs.ko" ] || fail "make succeeded but made no zfs.ko"
find "$package" -name '*.ko' -exec strip --strip-debug {} +
# Distributors of the image need the licence and the source.
install -D -m 644 /usr/share/doc/zfs-dkms/copyright "$package/usr/share/doc/zfs-modules-$kernel/copyright"
mkdir "$package/DEBIAN"
cat >"$package/DEBIAN/control" <<CONTROL
Package: zfs-modules-$kernel
Source: zfs-linux
Version: $version
Architecture: amd64
Maintainer: livelab
Section: contrib/kernel
Provides: zfs-modules
Depends: linux-image-$kernel
Description: OpenZFS kernel modules for $kernel
 Compiled by livelab from the source in Debian's zfs-dkms package.
CONTROL
find "$package" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group --uniform-compression -Zxz --build "$package" "$output"

#!/bin/sh
# Tries the kernel features that a builder machine needs (sandbox-init.sh). Each line on stdout names the next part, so that
# the last line shows which part failed (namespace-check.ts).
# Environment: TRIAL (folder in LIVELAB_HOME that namespace-check.ts prepared: root/, upper/, work/, overlay/).
set -eu
. "${0%/*}/mount-overlay.sh"

cd "$TRIAL"
echo ids
: >upper/file
chown 65534:65534 upper/file
echo mounts
mount -t proc -o nosuid,nodev,noexec proc root
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs root
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts root
mount --bind /dev/null upper/file
echo overlay
mount_overlay "$TRIAL/overlay" "$TRIAL/root"
# Replaces a folder of a lower layer: overlayfs has to hide the old one and mark the new one (overlayfs.rst).
rm -r "$TRIAL/root/old"
mkdir "$TRIAL/root/old"
[ -z "$(ls "$TRIAL/root/old")" ] || {
  echo "overlayfs still shows files that were removed from a lower layer" >&2
  exit 1
}

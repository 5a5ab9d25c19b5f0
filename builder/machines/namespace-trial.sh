#!/bin/sh
# Tries what a builder machine asks of the kernel (sandbox-init.sh). Each line on stdout names what is tried next,
# so that the last one tells at what it ended (namespace-check.ts).
# Environment: TRIAL (empty folder in LIVELAB_HOME), OVERLAY_OPTIONS as in sandbox-init.sh.
set -eu

cd "$TRIAL"
mkdir lower upper work root
echo ids
: >upper/file
chown 65534:65534 upper/file
echo mounts
mount -t proc -o nosuid,nodev,noexec proc root
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs root
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts root
mount --bind /dev/null upper/file
echo overlay
mount -t overlay -o "lowerdir=lower,upperdir=upper,workdir=work$OVERLAY_OPTIONS" livelab root

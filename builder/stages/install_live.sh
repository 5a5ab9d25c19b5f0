#!/bin/sh
# install_live: kernel, live-boot, systemd and the package list, without ZFS.
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2086 # PACKAGES is a list of words
install_packages $PACKAGES

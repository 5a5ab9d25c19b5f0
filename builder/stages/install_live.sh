#!/bin/sh
# install_live: installs kernel, live-boot, systemd and the package list, without ZFS; generates the image's only locale.
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2086 # PACKAGES is a list of words
install_packages $PACKAGES

printf 'en_US.UTF-8 UTF-8\n' >"$CHROOT/etc/locale.gen"
in_chroot locale-gen

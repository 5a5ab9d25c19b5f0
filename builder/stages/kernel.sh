# shellcheck shell=sh
# image_kernel: prints the version of the image's kernel. Fails if its modules and vmlinuz do not match.
image_kernel() {
  set -- "$CHROOT"/lib/modules/*
  if [ $# -ne 1 ] || [ ! -d "$1" ]; then
    fail "the image must have the modules of exactly one kernel; found: $*"
  fi
  kernel=${1##*/}
  vmlinuz=$CHROOT/boot/vmlinuz-$kernel
  [ -f "$vmlinuz" ] || fail "the image has the modules of $kernel, but not its kernel: /boot/vmlinuz-$kernel is missing"
  # The word at 0x20e is the offset from 0x200 of the kernel's version text (Linux Documentation/arch/x86/boot.rst).
  offset=$(od -A n -t u2 -j 526 -N 2 "$vmlinuz")
  version=$(dd if="$vmlinuz" bs=1 skip=$((offset + 512)) count=128 status=none | tr '\0' '\n' | head -n 1)
  [ "${version%% *}" = "$kernel" ] ||
    fail "/boot/vmlinuz-$kernel has version ${version%% *}, but the image has the modules of $kernel"
  [ -f "$CHROOT/lib/modules/$kernel/modules.dep" ] || fail "depmod has not run for $kernel: modules.dep is missing"
  echo "$kernel"
}

# shellcheck shell=sh
# The image's one kernel: prints its version, that of its modules and of vmlinuz alike. Fails with what does not match.
image_kernel() {
  set -- "$CHROOT"/lib/modules/*
  if [ $# -ne 1 ] || [ ! -d "$1" ]; then
    fail "the image must have the modules of one kernel, and there are $*"
  fi
  kernel=${1##*/}
  vmlinuz=$CHROOT/boot/vmlinuz-$kernel
  [ -f "$vmlinuz" ] || fail "modules of $kernel are in the image, and its kernel is not: there is no /boot/vmlinuz-$kernel"
  # A word at 0x20e says where, beyond 0x200, the kernel tells its version (Linux Documentation/arch/x86/boot.rst).
  offset=$(od -A n -t u2 -j 526 -N 2 "$vmlinuz")
  version=$(dd if="$vmlinuz" bs=1 skip=$((offset + 512)) count=128 status=none | tr '\0' '\n' | head -n 1)
  [ "${version%% *}" = "$kernel" ] ||
    fail "/boot/vmlinuz-$kernel is a kernel of version ${version%% *}, and the modules in the image are those of $kernel"
  [ -f "$CHROOT/lib/modules/$kernel/modules.dep" ] || fail "the modules of $kernel were never listed: no modules.dep"
  echo "$kernel"
}

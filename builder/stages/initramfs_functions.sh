# shellcheck shell=sh
# Faster versions of initramfs-tools' hook-functions; postinstall appends them to that file while it makes the initramfs.
# They add the same files with fewer processes: an emulated machine starts only 30 processes a second. Debian's functions
# handle each dependency of each module, and each library of each program, separately: 19 000 processes in total, most of
# them to find that the file exists already. postinstall renames Debian's functions to debian_copy_file and
# debian_copy_exec.
# Environment, set by mkinitramfs: version (of the kernel), DESTDIR.

# copy_file TYPE FILE [TARGET]: copies a file; returns 1 if it exists already.
copy_file() {
  if [ -f "$2" ] && [ -f "${DESTDIR:?}${3:-$2}" ]; then return 1; fi
  debian_copy_file "$@"
}

# copy_exec PROGRAM [TARGET]: copies a program and the libraries that it is linked to.
copy_exec() {
  [ -f "$1" ] || return 1
  [ ! -f "${DESTDIR:?}${2:-$1}" ] || return 0
  # Calls the loader directly, because ldd is a bash script around it.
  needed_libraries=$(env --unset=LD_PRELOAD /lib64/ld-linux-x86-64.so.2 --list "$1" 2>/dev/null | sed -n 's|^[^/]*\(/[^ ]*\) (0x.*|\1|p')
  case $needed_libraries in
  # For these Debian's function copies another build, or one more library that is loaded later.
  */tls/* | */i686/* | */sse2/* | */neon/* | */vfp/* | */libpthread.so.*)
    debian_copy_exec "$@"
    return
    ;;
  esac
  copy_file binary "$1" "${2:-$1}" || [ $? = 1 ] || return 1
  for needed_library in $needed_libraries; do
    copy_file binary "$needed_library" || [ $? = 1 ] || return 1
  done
}

# manual_add_modules MODULE...: adds modules, their dependencies and their firmware; unknown modules count as built in.
# It calls modprobe twice, as Debian does: --ignore-install shows modules with install lines, but hides soft dependencies.
manual_add_modules() {
  [ $# -gt 0 ] || return 0
  new_modules=
  for word in $({
    modprobe --all --set-version="${version:?}" --quiet --show-depends --ignore-install "$@"
    modprobe --all --set-version="$version" --quiet --show-depends "$@"
  } | sort -u); do
    case $word in
    /lib/modules/*) [ -e "${DESTDIR:?}$word" ] || new_modules="$new_modules $word" ;;
    esac
  done
  [ -n "$new_modules" ] || return 0

  # shellcheck disable=SC2086 # a list of words
  printf '.%s\n' $new_modules | (cd / && cpio --quiet --pass-through --make-directories --preserve-modification-time "$DESTDIR")

  # shellcheck disable=SC2086
  for firmware in $(modinfo --set-version="$version" --field firmware $new_modules | sort -u); do
    for folder in "updates/$version" updates "$version" .; do
      [ -e "/lib/firmware/$folder/$firmware" ] || continue
      copy_file firmware "/lib/firmware/$folder/$firmware" || [ $? = 1 ]
      break
    done
  done
}

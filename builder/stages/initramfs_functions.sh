# shellcheck shell=sh
# Put behind initramfs-tools' own hook-functions while postinstall makes the initramfs: adds the same modules and firmware,
# but all at once. Debian's function takes each module that each module depends on by itself, which is 19 000 processes in
# all, most of them to see that the file is there already.
# Environment, set by mkinitramfs: version (of the kernel), DESTDIR.

# manual_add_modules MODULE...: adds modules, what they depend on, and their firmware; unknown modules count as built in.
# Asked twice, as Debian does: --ignore-install shows modules that have install lines, but hides soft dependencies.
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

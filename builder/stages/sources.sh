# shellcheck shell=sh
# sources: prints the facts that a distributor of the image needs, one line per package, with tabs between
#   package, version, source package, its version, licences
# Licences are the short names in a copyright file of Debian's machine-readable form (copyright-format 1.0). For any other
# copyright file the line contains its path in the image.
sources() {
  # shellcheck disable=SC2016 # dpkg-query's own variables
  in_chroot dpkg-query -W -f 'package\t${Package}\t${Version}\t${source:Package}\t${source:Version}\n' >"$SCRATCH/sources"
  set --
  while IFS="$(printf '\t')" read -r _ package _; do
    [ ! -f "$CHROOT/usr/share/doc/$package/copyright" ] || set -- "$@" "$CHROOT/usr/share/doc/$package/copyright"
  done <"$SCRATCH/sources"
  awk -F '\t' -v doc="$CHROOT/usr/share/doc/" '
    $1 == "package" && FILENAME == ARGV[ARGC - 1] {
      text = licences[$2]
      if (text == "") text = ($2 in seen) ? "see /usr/share/doc/" $2 "/copyright" : "unknown"
      printf "%s\t%s\t%s\t%s\t%s\n", $2, $3, $4, $5, text
      next
    }
    FNR == 1 {
      package = substr(FILENAME, length(doc) + 1)
      sub(/\/copyright$/, "", package)
      seen[package] = 1
      readable = /^Format(-Specification)?:.*(copyright-format|DEP5|dep5)/
    }
    readable && /^License:[ \t]*[^ \t]/ {
      sub(/^License:[ \t]*/, "")
      sub(/[ \t]+$/, "")
      if (index("\n" names[package] "\n", "\n" $0 "\n") > 0) next
      names[package] = names[package] "\n" $0
      licences[package] = licences[package] (licences[package] == "" ? "" : ", ") $0
    }
  ' "$@" "$SCRATCH/sources" >"$SCRATCH/sources.lines"
  # Packages from the npm registry name their licence in package.json.
  set --
  for file in "$CHROOT"/usr/triton/node/package.json "$CHROOT"/usr/triton/lib/node_modules/*/package.json; do
    set -- "$@" "${file#"$CHROOT"}"
  done
  in_chroot jq -r '[.name, .version, "npm " + .name, .version,
    (.license | if type == "object" then .type else . end) // "see the LICENSE next to " + input_filename] | join("\t")' \
    "$@" >>"$SCRATCH/sources.lines"
  sort "$SCRATCH/sources.lines"
}

# shellcheck shell=sh
# sha256_lines: prints a line "DIGEST  ./PATH" or "DIGEST *./PATH" for each path of standard input, which end in NUL.
# OpenSSL uses the processor's instructions for SHA-256, and takes a fifth of the time then; without them, as in an emulated
# machine, it takes twice the time of sha256sum (measured).
sha256_lines() {
  if grep -q -w sha_ni /proc/cpuinfo && command -v openssl >/dev/null; then
    xargs -0 -r openssl sha256 -r
  else
    xargs -0 -r sha256sum -z -- | tr '\0' '\n' # -z prints names unchanged; without it sha256sum escapes some
  fi
}

# mtree FOLDER [NAME...]: describes a tree on standard output in mtree(5) form, one line per path, sorted by bytes: type,
# mode, owner and, for files, size and SHA-256. It omits the content of the top folders NAME, like
# `mksquashfs -e 'NAME/*'`. The number of processes does not depend on the number of files, because each process costs
# 40 ms in an emulated machine.
mtree() {
  tree=$1
  shift
  [ -z "$(find "$tree" -name '*
*' -print -quit)" ] || fail "a file name below $tree contains a line break"
  set -- "$@" end
  while [ "$1" != end ]; do
    set -- "$@" -path "$tree/$1" -o
    shift
  done
  shift
  set -- "(" "(" "$@" -false ")" -prune -o -true ")"

  # The first "//" separates path and target, because a path below the tree never contains "//".
  find "$tree" "$@" -printf 'entry %y %m %U %G %s %P//%l\n' >"$SCRATCH/mtree.entries"
  find "$tree" "$@" -type f -printf './%P\0' | (cd "$tree" && sha256_lines) |
    sed 's|^|digest |; s| [ *]\./|  |' >"$SCRATCH/mtree.digests"
  awk '
    BEGIN {
      for (i = 1; i < 256; i++) code[sprintf("%c", i)] = i
      split("f file d dir l link p fifo s socket c char b block", words)
      for (i = 1; i in words; i += 2) type[words[i]] = words[i + 1]
    }
    # Every other byte becomes a backslash and three octal digits.
    function encode(text,   out, i, c) {
      if (text !~ /[^A-Za-z0-9_.,:@%+\/~-]/) return text
      out = ""
      for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        out = out (c ~ /[A-Za-z0-9_.,:@%+\/~-]/ ? c : sprintf("\\%03o", code[c]))
      }
      return out
    }
    $1 == "digest" { digest[substr($0, 8 + 64 + 2)] = $2; next }
    {
      names = $0
      sub(/^entry [a-z] [0-7]+ [0-9]+ [0-9]+ [0-9]+ /, "", names)
      cut = index(names, "//")
      path = substr(names, 1, cut - 1)
      printf "%s type=%s mode=0%s uid=%s gid=%s", path == "" ? "." : "./" encode(path), type[$2], $3, $4, $5
      if ($2 == "f") {
        if (!(path in digest)) { print "livelab: error: no digest of " path >"/dev/stderr"; exit 1 }
        printf " size=%s sha256digest=%s", $6, digest[path]
      }
      if ($2 == "l") printf " link=%s", encode(substr(names, cut + 2))
      print ""
    }
  ' "$SCRATCH/mtree.digests" "$SCRATCH/mtree.entries" >"$SCRATCH/mtree.lines"
  echo '#mtree'
  sort "$SCRATCH/mtree.lines"
  rm "$SCRATCH/mtree.digests" "$SCRATCH/mtree.entries" "$SCRATCH/mtree.lines"
}

# shellcheck shell=sh
# write_hash FILE: writes FILE.hash in Triton's form: the SHA-1 in hex and a newline, without a file name.
write_hash() {
  sum=$(sha1sum "$1")
  echo "${sum%% *}" >"$1.hash"
}

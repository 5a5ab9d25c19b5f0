#!/bin/sh
# Resolves a set of packages with apt, and writes the stanzas of all packages that it needs to a lock file.
#
#   resolve-lock.sh DIR SET ON PACKAGE...
#
# DIR      working folder. Input: sources.list, preferences and provided.Packages (stanzas of the packages that the build
#          makes itself; they count as installed). Output: apt/ (indexes, verified by apt) and SET.Packages
# SET      name of the set to write
# ON       name of a set written earlier, whose packages count as installed; "-" for an empty machine
# PACKAGE  a package that the set must have: a name, name=version or an apt pattern such as ?essential
#
# Installs no package, and neither reads nor changes the state of the machine's own apt and dpkg.
# Source: apt-get(8), apt.conf(5) "Directories", apt-patterns(7), deb-control(5).
set -eu
export LC_ALL=C

dir=$1 set_name=$2 on=$3
shift 3

state=$dir/apt
mkdir -p "$state/lists/partial" "$state/archives/partial" "$state/etc/preferences.d"

# Packages that count as installed, in the format of dpkg's status file: those that the build makes, and the set ON.
status=$state/status-$set_name
below=/dev/null
if [ "$on" != - ]; then below=$dir/$on.Packages; fi
awk '{ print } /^Package:/ { print "Status: install ok installed" }' "$dir/provided.Packages" "$below" >"$status"

# apt reads this file first; it keeps apt from reading the machine's own configuration afterwards.
cat >"$state/apt.conf" <<CONF
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "/dev/null";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Sandbox::User "root";
Acquire::http::Proxy "false"; // the gateway is reached without a proxy
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::By-Hash "no"; // the gateway serves the indexes only under their plain names
Acquire::Check-Date "true";
Acquire::Check-Valid-Until "true"; // a mirror that holds updates back is refused; sources.list exempts archived suites
Dir::Etc::SourceList "$dir/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "$dir/preferences";
Dir::Etc::PreferencesParts "$state/etc/preferences.d";
Dir::Etc::Trusted "/dev/null";
Dir::Etc::TrustedParts "/usr/share/keyrings";
Dir::State "$state";
Dir::State::Lists "$state/lists";
Dir::State::Status "$status";
Dir::State::Extended_States "$state/extended_states";
Dir::Cache "$state";
CONF
export APT_CONFIG="$state/apt.conf"

if [ ! -e "$state/updated" ]; then
  apt-get update -q --error-on=any >&2
  : >"$state/updated"
fi

apt-get install -q --simulate -- "$@" >"$state/plan-$set_name" || {
  cat "$state/plan-$set_name" >&2 # names the relations that apt cannot satisfy
  exit 1
}
if grep -E '^(Remv|Purg) ' "$state/plan-$set_name" >&2; then
  echo "resolve-lock: set $set_name would remove packages of set $on" >&2
  exit 1
fi

# "Inst name [installed] (version suite [architecture])" → name=version
awk '$1 == "Inst" { v = ($3 ~ /^\[/) ? $4 : $3; sub(/^\(/, "", v); sub(/:.*$/, "", $2); print $2 "=" v }' \
  "$state/plan-$set_name" | sort -u >"$state/wanted-$set_name"

# Writes one stanza for each package, with fields in a fixed order. Leaves out fields that no build reads (descriptions, tags).
xargs apt-cache show --no-all-versions <"$state/wanted-$set_name" | awk '
  BEGIN {
    n = split("Package Version Architecture Multi-Arch Essential Protected Important Priority Installed-Size " \
      "Provides Pre-Depends Depends Recommends Conflicts Breaks Replaces Filename Size SHA256", order, " ")
  }
  function flush(  i) {
    if ("Package" in field && !(field["Package"] in seen)) {
      seen[field["Package"]] = 1
      for (i = 1; i <= n; i++) if (order[i] in field) print order[i] ": " field[order[i]]
      print ""
    }
    split("", field)
  }
  /^$/ { flush(); next }
  /^[ \t]/ { next } # the fields in the lock have no continuation lines in a Packages file
  { name = $0; sub(/:.*/, "", name); value = $0; sub(/^[^:]*:[ \t]*/, "", value); field[name] = value }
  END { flush() }
' >"$dir/$set_name.Packages.part"

written=$(grep -c '^Package:' "$dir/$set_name.Packages.part")
wanted=$(wc -l <"$state/wanted-$set_name")
if [ "$written" -ne "$wanted" ]; then
  echo "resolve-lock: set $set_name needs $wanted packages, but apt has stanzas of $written" >&2
  exit 1
fi
mv "$dir/$set_name.Packages.part" "$dir/$set_name.Packages"

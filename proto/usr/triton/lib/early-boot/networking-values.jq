# Validates the values of networking.json, and forms the messages about them. A value of a wrong type or out of its range
# counts as missing. Patterns end in \z, because $ also matches before a newline.

# One line for live-premount/triton-networking. The text is cut first, because it may be as long as the file.
def order(verb; text): "\(verb) \(text | tostring | .[:500] | gsub("[^ -~]"; "?"))";
def problem(what; remedy): order("problem"; "\(what | .[:300] | gsub("[|]"; "/"))|\(remedy)");

def strings: if type == "array" then map(select(type == "string")) else [] end;
def objects: if type == "array" then map(select(type == "object")) else [] end;
def fields: if type == "object" then . else {} end;
# Removes duplicate values of any type from a list of any length.
def each_once: reduce .[] as $x ({seen: {}, list: []};
  ($x | tojson) as $key | if .seen[$key] then . else .seen[$key] = true | .list += [$x] end) | .list;
def distinct: reduce .[] as $x ([]; if index([$x]) then . else . + [$x] end);

def matches(pattern): type == "string" and length <= 64 and test("\\A\(pattern)\\z");
def is_ipv4: matches("(0|[1-9][0-9]{0,2})([.](0|[1-9][0-9]{0,2})){3}") and all(split(".")[]; tonumber < 256);
# The MAC of a NIC: neither a group address nor all zeros.
def is_mac: matches("[0-9a-f][02468ace](:[0-9a-f]{2}){5}") and . != "00:00:00:00:00:00";
def is_host_name: matches("[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?");
def is_vlan: type == "number" and . == floor and . >= 1 and . <= 4094;
# NAPI's limits for the MTU of a nic tag and of a network.
def is_mtu($least): type == "number" and . == floor and . >= $least and . <= 9000;
def is_tag_mtu: is_mtu(1500);
def is_network_mtu: is_mtu(576);

def mac: if type == "string" and length <= 64 then ascii_downcase else "" end;
def tag: if type == "string" then .[:31] else "" end;

# A tag in a form that systemd's files accept: without a line break, and without a backslash, which would join two lines.
def alias: gsub("[^A-Za-z0-9_./:,-]"; "?");

def ipv4_number: reduce (split(".")[] | tonumber) as $octet (0; . * 256 + $octet);
def ipv4_text: . as $number | [16777216, 65536, 256, 1] | map(($number / . | floor) % 256 | tostring) | join(".");
# The number of the network: the address with all bits after the prefix cleared.
def network_number($prefix): pow(2; 32 - $prefix) as $size | (ipv4_number / $size | floor) * $size;
def is_in($address; $prefix): network_number($prefix) == ($address | network_number($prefix));

# An address for a host: not "this network", loopback, multicast, or reserved.
def is_host_ipv4: is_ipv4 and (split(".")[0] | tonumber | . >= 1 and . <= 223 and . != 127);

# "255.255.255.0" → 24; null if the one bits are not contiguous or missing.
def prefix_length:
  if is_ipv4 then
    ipv4_number as $mask | [range(1; 33)] | map(select(4294967296 - pow(2; 32 - .) == $mask)) | first
  else null end;

# "10.1.0.0/16" → itself, "10.1.2.3" → "10.1.2.3/32"; null for anything else.
def destination:
  if is_ipv4 then "\(.)/32"
  elif matches("[0-9.]+/[0-9]{1,2}") then
    (split("/") | {address: .[0], prefix: (.[1] | tonumber)})
    | if (.address | is_ipv4) and .prefix <= 32 then
        .prefix as $prefix | "\(.address | network_number($prefix) | ipv4_text)/\($prefix)"
      else null end
  else null end;

# The first part of a link's name. Linux allows 15 characters; a tag may have 31, and a fabric's tag contains a "/". The
# alias keeps the tag itself. Twelve characters leave room for numbers up to 999. The kernel itself assigns eth<n>, and
# systemd rejects names that consist of digits.
def name_base:
  .[:12] | gsub("[^A-Za-z0-9_-]"; "_") | if test("\\A([0-9]*|eth)\\z") then "tag_" + . | .[:12] else . end;

# The first of base0, base1, … that is not taken, so that tags with the same first twelve characters do not clash.
def free_name(base; $taken): first(range(0; 1000) | "\(base)\(.)" | select(. as $name | $taken | index([$name]) | not));

# What networking.json may hold, judged: each value is of its type and in its range, or it is none.
# And what is said of it. Patterns end in \z, as $ lets a newline pass.

# One line for live-premount/triton-networking. Cut before anything else: a text may be as long as the file.
def order(verb; text): "\(verb) \(text | tostring | .[:500] | gsub("[^ -~]"; "?"))";
def problem(what; remedy): order("problem"; "\(what | .[:300] | gsub("[|]"; "/"))|\(remedy)");

def strings: if type == "array" then map(select(type == "string")) else [] end;
def objects: if type == "array" then map(select(type == "object")) else [] end;
def fields: if type == "object" then . else {} end;
# Each value once, whatever its type and however many there are.
def each_once: reduce .[] as $x ({seen: {}, list: []};
  ($x | tojson) as $key | if .seen[$key] then . else .seen[$key] = true | .list += [$x] end) | .list;
def distinct: reduce .[] as $x ([]; if index([$x]) then . else . + [$x] end);

def matches(pattern): type == "string" and length <= 64 and test("\\A\(pattern)\\z");
def is_ipv4: matches("(0|[1-9][0-9]{0,2})([.](0|[1-9][0-9]{0,2})){3}") and all(split(".")[]; tonumber < 256);
# A NIC's own: no group, not nobody's.
def is_mac: matches("[0-9a-f][02468ace](:[0-9a-f]{2}){5}") and . != "00:00:00:00:00:00";
def is_host_name: matches("[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?");
def is_vlan: type == "number" and . == floor and . >= 1 and . <= 4094;
# NAPI's limits of a nic tag, and of a network.
def is_mtu($least): type == "number" and . == floor and . >= $least and . <= 9000;
def is_tag_mtu: is_mtu(1500);
def is_network_mtu: is_mtu(576);

def mac: if type == "string" and length <= 64 then ascii_downcase else "" end;
def tag: if type == "string" then .[:31] else "" end;

# A tag as systemd's files can hold it: no end of line, no backslash, which would join it to the next.
def alias: gsub("[^A-Za-z0-9_./:,-]"; "?");

def ipv4_number: reduce (split(".")[] | tonumber) as $octet (0; . * 256 + $octet);
def ipv4_text: . as $number | [16777216, 65536, 256, 1] | map(($number / . | floor) % 256 | tostring) | join(".");
# The address with all but its first bits cleared.
def network_number($prefix): pow(2; 32 - $prefix) as $size | (ipv4_number / $size | floor) * $size;
def is_in($address; $prefix): network_number($prefix) == ($address | network_number($prefix));

# One that a host can have: neither "this network" nor loopback, multicast, or beyond.
def is_host_ipv4: is_ipv4 and (split(".")[0] | tonumber | . >= 1 and . <= 223 and . != 127);

# "255.255.255.0" → 24; null if the ones are not contiguous, or there is none.
def prefix_length:
  if is_ipv4 then
    ipv4_number as $mask | [range(1; 33)] | map(select(4294967296 - pow(2; 32 - .) == $mask)) | first
  else null end;

# "10.1.0.0/16", or one host → "10.1.0.0/16", "10.1.2.3/32"; else null.
def destination:
  if is_ipv4 then "\(.)/32"
  elif matches("[0-9.]+/[0-9]{1,2}") then
    (split("/") | {address: .[0], prefix: (.[1] | tonumber)})
    | if (.address | is_ipv4) and .prefix <= 32 then
        .prefix as $prefix | "\(.address | network_number($prefix) | ipv4_text)/\($prefix)"
      else null end
  else null end;

# Linux allows 15 characters; a tag may have 31, and a fabric's has a "/". The tag itself is kept as the alias.
# Twelve leave room for numbers to 999. The kernel hands out eth<n> itself, and systemd refuses names of digits only.
def name_base:
  .[:12] | gsub("[^A-Za-z0-9_-]"; "_") | if test("\\A([0-9]*|eth)\\z") then "tag_" + . | .[:12] else . end;

# The first of base0, base1, … that is not taken, so that tags which are alike in their first twelve characters do not clash.
def free_name(base; $taken): first(range(0; 1000) | "\(base)\(.)" | select(. as $name | $taken | index([$name]) | not));

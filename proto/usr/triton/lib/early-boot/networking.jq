# networking.json (Triton's form) → the orders that live-premount/triton-networking carries out, one a line:
#   file NAME        begin a file of that name for systemd-networkd
#   text LINE        add LINE to it
#   nic NAME MAC FACTS…   a NIC that has been given a file
#   hostname NAME, domain NAME
#   problem WHAT|REMEDY
# Anything in the input may be missing or of the wrong type; what cannot be used becomes a `problem`.
# Run with --slurp, so that an empty file is seen.
#
# Here: vnics that sit untagged on a physical NIC. Aggregations, VLANs, fabrics and routes: not yet.

def order(verb; text): "\(verb) \(text | tostring | gsub("[[:cntrl:]]"; "?"))";
def problem(what; remedy): order("problem"; "\(what | gsub("[|]"; "/"))|\(remedy)");

def strings: if type == "array" then map(select(type == "string")) else [] end;
def objects: if type == "array" then map(select(type == "object")) else [] end;
def distinct: reduce .[] as $x ([]; if index([$x]) then . else . + [$x] end);

def is_ipv4: type == "string" and test("^[0-9]{1,3}([.][0-9]{1,3}){3}$") and all(split(".")[]; tonumber < 256);
def is_mac: type == "string" and test("^[0-9a-f]{2}(:[0-9a-f]{2}){5}$");
def is_host_name: type == "string" and length <= 64 and test("^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$");
def mac: if type == "string" then ascii_downcase else . end;

# "255.255.255.0" → 24; null if the ones are not contiguous.
def prefix_length:
  if is_ipv4 then
    (reduce (split(".")[] | tonumber) as $octet (0; . * 256 + $octet)) as $mask
    | [range(0; 33)] | map(select(4294967296 - pow(2; 32 - .) == $mask)) | first
  else null end;

# Linux allows 15 characters; a tag may have 31, and a fabric's has a "/". The tag itself is kept as the alias.
# Twelve leave room for numbers to 999. The kernel hands out eth<n> itself, and systemd refuses names of digits only.
def name_base:
  (if type == "string" then . else "" end)
  | gsub("[^A-Za-z0-9_-]"; "_") | .[:12]
  | if test("^([0-9]*|eth)$") then "tag_" + . | .[:12] else . end;

# Adds .name to each vnic: the base with the lowest number that no vnic before it has, so that tags which are alike
# in their first twelve characters do not clash. The admin tag's first NIC is admin0, whatever the tag is called.
def named(admin_tag):
  reduce .[] as $vnic ([];
    . as $before
    | ($vnic.nic_tag | if . == admin_tag then "admin" else name_base end) as $base
    | first(range(0; 1000) | "\($base)\(.)" | select(. as $name | all($before[]; .name != $name))) as $name
    | . + [$vnic + {name: $name, position: (length + 1)}]);

def padded: tostring | "00\(.)" | .[-3:];

def network($config):
  (.ip | is_ipv4) as $has_ip
  | (.netmask | prefix_length) as $prefix
  | "vnic \(.mac) (tag \(.nic_tag)) in networking.json" as $where
  | if (.mac | mac | is_mac | not) then
      problem("\($where) has no valid MAC address"; "correct the NIC in NAPI and reboot")
    elif .vlan_id != null and .vlan_id != 0 then
      problem("\($where) is on VLAN \(.vlan_id), which this image does not configure yet"; "use it on an untagged NIC")
    elif $has_ip | not then
      problem("\($where) has no valid address: ip \(.ip)"; "correct the NIC in NAPI and reboot")
    elif $prefix == null then
      problem("\($where) has no valid netmask: \(.netmask)"; "correct the network's netmask in NAPI and reboot")
    else
      (.mac | mac) as $mac
      | (.nic_tag == $config.admin_tag) as $is_admin
      | ([$config.nictags[] | select((.mac | mac) == $mac) | .mtu] + [.mtu]
          | map(select(type == "number")) | max // 1500) as $mtu
      | (if $is_admin then (.resolvers | strings) + $config.resolvers | distinct else .resolvers | strings end
          | map(select(is_ipv4))) as $dns
      | (if .gateway | is_ipv4 then .gateway else null end) as $gateway
      | "\(.position | padded)-\(.name)" as $file
      # The permanent address is a physical NIC's alone: a bond or a VLAN that borrows the MAC has none.
      | order("file"; "\($file).link"),
        order("text"; "[Match]", "PermanentMACAddress=\($mac)", "", "[Link]", "Name=\(.name)", "Alias=\(.nic_tag)"),
        order("file"; "\($file).network"),
        order("text"; "[Match]", "PermanentMACAddress=\($mac)", "", "[Link]", "MTUBytes=\($mtu)", "", "[Network]",
          "Address=\(.ip)/\($prefix)", "LinkLocalAddressing=no", "IPv6AcceptRA=no", "LLMNR=no"),
        ($dns[] | order("text"; "DNS=\(.)")),
        (if $is_admin then $config.domains[] | order("text"; "Domains=\(.)") else empty end),
        (if $gateway then
          # A default route each, the primary NIC's first, so that which one is used does not depend on timing.
          order("text"; "", "[Route]", "Gateway=\($gateway)",
            "Metric=\(if .primary == true then 100 else 100 + .position end)")
        else empty end),
        order("nic"; "\(.name) \($mac) \(.ip)/\($prefix) mtu \($mtu) gateway \($gateway // "none")")
    end;

def orders:
  (.admin_tag // "admin") as $admin_tag
  # Where the admin tag is a rack's (admin_rack_…), entries tagged plain "admin" are not this machine's: SmartOS.
  | (.vnics | objects | map(select($admin_tag == "admin" or .nic_tag != "admin")) | named($admin_tag)) as $vnics
  | (if .dns_domain | is_host_name then .dns_domain else null end) as $domain
  | {
      admin_tag: $admin_tag,
      nictags: (.nictags | objects),
      resolvers: (.resolvers | strings),
      domains: (if $domain == null then []
        elif .datacenter_name | is_host_name then ["\(.datacenter_name).\($domain)", $domain]
        else [$domain] end)
    } as $config
  | if .hostname == null then empty
    elif .hostname | is_host_name then order("hostname"; .hostname)
    else problem("hostname in networking.json is not valid: \(.hostname)"; "correct the server's hostname in CNAPI") end,
    (if $domain then order("domain"; $domain) else empty end),
    (if $vnics == [] then
      problem("networking.json has no vnics, so no NIC is configured";
        "give the server a NIC with an address on the admin network in NAPI, and reboot")
    elif .resolvers == null then
      problem("networking.json lacks resolvers, so names may not resolve";
        "set resolvers on the admin network in NAPI, and reboot")
    else empty end),
    ($vnics[] | network($config));

if length == 0 then problem("networking.json is empty"; "reboot, so that the booter writes it anew")
elif length > 1 or (first | type) != "object" then
  problem("networking.json is not a JSON object"; "reboot, so that the booter writes it anew")
else first | orders end

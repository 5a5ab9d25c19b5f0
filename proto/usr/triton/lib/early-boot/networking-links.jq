# Derives the links of a compute node from networking.json:
#   {bonds, vnics, nics, problems}
# A link has a key: the MAC of a physical NIC, or the name of a bond. One link provides a tag. A vnic is either that link
# itself (`direct`), or a VLAN or macvlan over it. The second vnic of a VLAN is a macvlan over the link of the first.
# Source: SmartOS, which gives the file this meaning (net-boot-config).
include "networking-values";

# Limits of the entries that are read: far more than a server has, and few enough for a slow processor.
def most_entries: 64;
def most_members: 16;

def entries_of($name; $doc):
  $doc[$name] as $given
  | ($given | objects) as $usable
  | {
      list: $usable[:most_entries],
      problems: [
        if $given != null and ($given | type) != "array" then
          problem("\($name) in networking.json is not a list"; "reboot, so that the booter rewrites it")
        elif ($given // [] | length) != ($usable | length) then
          problem("\($name) in networking.json has entries that are not objects"; "reboot, so that the booter rewrites it")
        elif ($usable | length) > most_entries then
          problem("\($name) in networking.json has \($usable | length) entries, and only the first \(most_entries) are used";
            "remove NICs that this server does not have from NAPI")
        else empty end
      ]
    };

# → {bonds: [{name, macs, mode, tags}], problems}
def bonds_of($aggregations):
  reduce $aggregations[] as $aggregation ({bonds: [], problems: []};
    ([.bonds[].macs[]]) as $used
    | [.bonds[].name] as $taken
    | ($aggregation.macs | strings[:most_members] | map(mac) | distinct) as $macs
    | ($macs | map(select(is_mac and (. as $mac | $used | index([$mac]) | not)))) as $usable
    | ($aggregation.name | tag) as $name
    | "aggregation \($name) in networking.json" as $where
    | if ($usable | length) != ($aggregation.macs | if type == "array" then length else -1 end) then
        .problems += [problem("\($where) has MAC addresses that are invalid or of another aggregation, or more than \(most_members)";
          "correct it in NAPI and reboot")]
      else . end
    | if $usable == [] then
        .problems += [problem("\($where) has no NIC, so it is not configured"; "correct it in NAPI and reboot")]
      else
        .bonds += [{
          # Its name on the kernel command line, if Linux allows that name.
          name: (if ($name | matches("[A-Za-z][A-Za-z0-9_-]{0,13}[0-9]") and (test("\\Aeth[0-9]+\\z") | not))
              and ($taken | index([$name]) | not)
            then $name else free_name($name | name_base; $taken) end),
          given_name: $name,
          macs: $usable,
          lacp_mode: $aggregation.lacp_mode,
          tags: ($aggregation.nic_tags_provided | strings | map(tag))
        }]
        | if ["active", "passive", "off", null] | index([$aggregation.lacp_mode]) then .
          else .problems += [problem("\($where) has no valid lacp_mode, so it is active: \($aggregation.lacp_mode)";
            "correct it in NAPI and reboot")] end
      end);

# Validates the fields of a vnic. → {vnic} or {problem}
def judged($config):
  (.mac | mac) as $mac
  | (.nic_tag | tag) as $tag
  | (.netmask | prefix_length) as $prefix
  | "vnic \($mac) (tag \($tag)) in networking.json" as $where
  | if $mac | is_mac | not then {problem: problem("vnic \(.mac) (tag \($tag)) in networking.json has no valid MAC address";
      "correct the NIC in NAPI and reboot")}
    elif .vlan_id != null and .vlan_id != 0 and (.vlan_id | is_vlan | not) then {problem: problem(
      "\($where) has no valid VLAN: \(.vlan_id)"; "correct the network's VLAN in NAPI and reboot")}
    elif .ip | is_host_ipv4 | not then {problem: problem("\($where) has no valid address: ip \(.ip)";
      "correct the NIC in NAPI and reboot")}
    elif $prefix == null then {problem: problem("\($where) has no valid netmask: \(.netmask)";
      "correct the network's netmask in NAPI and reboot")}
    else {vnic: {
      $mac, $tag, ip, $prefix,
      vlan: (.vlan_id // 0),
      mtu: ([(.mtu | select(is_network_mtu)), ($config.nictags[] | select(.name == $tag) | .mtu | select(is_tag_mtu))]
        | first // 1500),
      gateway: (.gateway // ""),
      resolvers: (.resolvers | strings),
      primary: (.primary == true),
      admin: ($tag == $config.admin_tag)
    }}
    end;

# Returns the valid vnics. Each MAC and each address is accepted once.
def vnics_of($vnics; $config):
  reduce $vnics[] as $vnic ({vnics: [], problems: []};
    ($vnic | judged($config)) as $judged
    | if $judged.problem then .problems += [$judged.problem]
      else
        [.vnics[] | select(.mac == $judged.vnic.mac or .ip == $judged.vnic.ip)] as $same
        | if $same == [] then
            .vnics += [$judged.vnic]
            | if $vnic.mtu == null or ($vnic.mtu | is_network_mtu) then . else .problems += [problem(
                "vnic \($judged.vnic.mac) in networking.json has no valid mtu: \($vnic.mtu)";
                "correct the network's MTU in NAPI and reboot")] end
          else .problems += [problem(
            "vnic \($judged.vnic.mac) in networking.json has the MAC or the address of another, so it is not configured: \($judged.vnic.ip)";
            "correct the NIC in NAPI and reboot")] end
      end);

# Maps each tag to the key of the link that provides it. For an aggregation, nictags[].mac is its name, or its own
# nic_tags_provided lists the tag. Otherwise the key is the MAC of a NIC.
def providers_of($nictags; $bonds; $raw_vnics):
  ([$raw_vnics[] | {mac: (.mac | mac), tags: (.nic_tags_provided | strings | map(tag))} | select(.mac | is_mac)
     | {key: .tags[], value: .mac}] | reverse | from_entries)
  + ([$nictags[] | .mac as $mac | select($mac | mac | is_mac) | {key: .name, value: ($mac | mac)}] | from_entries)
  + ([$bonds[] | {key: .tags[], value: .name}] | from_entries)
  + ([$nictags[] as $tag | $bonds[] | select(.given_name == $tag.mac) | {key: $tag.name, value: .name}] | from_entries)
  # The tags of a member belong to its bond.
  | map_values(. as $key | first(($bonds[] | select(.macs | index([$key])) | .name), $key));

# Adds to each vnic its kind (direct, vlan or macvlan), over (the key of the link below it), and its name.
def placed($config; $providers; $bonds; $physical):
  reduce .[] as $vnic ([];
    . as $before
    | ($vnic.mac as $mac | first(($bonds[] | select(.macs | index([$mac])) | .name), $mac)) as $own
    | ($providers[$vnic.tag] // $own) as $provider
    | (if $vnic.vlan != 0 then {kind: "vlan", over: $provider}
       elif $vnic.admin then {kind: "direct", over: $provider}
       elif $physical | index([$vnic.mac]) then {kind: "direct", over: $own}
       elif $provider == $own then {kind: "direct", over: $own}
       else {kind: "macvlan", over: $provider} end) as $place
    # A link has one direct vnic, and one link for each VLAN.
    | (if $place.kind == "vlan" then first($before[] | select(.kind == "vlan" and .over == $place.over and .vlan == $vnic.vlan))
       else null end // null) as $same_vlan
    | (if $same_vlan != null then {kind: "macvlan", over: $same_vlan.name} else $place end) as $place
    | (if $place.kind == "direct" and any($before[]; .kind == "direct" and .over == $place.over)
       then $place + {kind: "macvlan"} else $place end) as $place
    | (if $place.kind == "direct" and any($bonds[]; .name == $place.over) then $place.over
       else free_name($vnic | if .admin then "admin" else .tag | name_base end; $config.taken + [$before[].name]) end) as $name
    | . + [$vnic + $place + {$name, position: (length + 1)}])
  # A VLAN's link must carry the longest frames of the links over it.
  | . as $placed
  | map(.name as $name | .mtu = ([.mtu, ($placed[] | select(.over == $name) | .mtu)] | max));

def links($boot_mac):
  . as $doc
  | (if .admin_tag | type == "string" and . != "" then .admin_tag | tag else "admin" end) as $admin_tag
  | entries_of("aggregations"; $doc) as $aggregations
  | entries_of("nictags"; $doc) as $given_tags
  | entries_of("vnics"; $doc) as $given_vnics
  | ($given_tags.list | map(. + {name: (.name | tag)} | select(.name != ""))) as $nictags
  | bonds_of($aggregations.list) as {bonds: $bonds, problems: $bond_problems}
  # If the admin tag is that of a rack (admin_rack_…), entries with the tag "admin" belong to other machines. Source: SmartOS.
  | ($given_vnics.list | map(select($admin_tag == "admin" or .nic_tag != "admin"))) as $raw_vnics
  | {admin_tag: $admin_tag, nictags: $nictags} as $config
  | vnics_of($raw_vnics; $config) as {vnics: $vnics, problems: $vnic_problems}
  | providers_of($nictags; $bonds; $raw_vnics) as $providers
  | ([$boot_mac, $bonds[].macs[], ($providers[] | select(is_mac)),
      ($raw_vnics[] | select(.nic_tags_provided | strings != []) | .mac | mac)] | distinct) as $physical
  | [$bonds[] | .name, (.name as $name | range(0; .macs | length) | "\($name | name_base)p\(.)")] as $bond_names
  # This image cannot create the link of a fabric's vnic.
  | ($doc.nictag_rules | fields | keys) as $fabrics
  | ($vnics | map(select((.tag | split("/")[0] as $base | $fabrics | index([$base]))
      and $providers[.tag] == null and (.mac as $mac | $physical | index([$mac]) | not))) | map(.mac)) as $on_fabric
  | ($vnics | map(select(.mac as $mac | $on_fabric | index([$mac]) | not))
      | placed($config + {taken: $bond_names}; $providers; $bonds; $physical)) as $placed
  | def tags_of($key): [$nictags[].name, ($providers | keys[])] | distinct | map(select($providers[.] == $key));
    # 1500 is NAPI's minimum for a nic tag, so it does not mean that the network supports that MTU.
    def mtu_of($key): [($nictags[] | select($providers[.name] == $key) | .mtu | select(is_tag_mtu and . > 1500)),
      ($placed[] | select(.over == $key) | .mtu)] | max // 1500;
    def direct_of($key): first($placed[] | select(.kind == "direct" and .over == $key)) // null;
    {
      problems: [
        $aggregations.problems[], $given_tags.problems[], $given_vnics.problems[], $bond_problems[], $vnic_problems[],
        ($nictags[] | select(.mtu != null and (.mtu | is_tag_mtu | not))
          | problem("nictag \(.name) in networking.json has no valid mtu: \(.mtu)"; "correct the nic tag in NAPI and reboot")),
        (if $given_vnics.list != [] and all($placed[]; .admin | not) then
          problem("networking.json has no usable vnic with the admin tag \($admin_tag), so this server is not on the admin network";
            "give it a NIC with an address on the admin network in NAPI, and reboot")
        else empty end),
        (if $fabrics != [] then problem("fabric networks are not supported by this image: \($fabrics | join(", "))";
          "use networks without a fabric on this server") else empty end)
      ],
      vnics: $placed,
      bonds: [$bonds[] | direct_of(.name) as $vnic | . + {
        key: .name,
        mtu: mtu_of(.name),
        tags: tags_of(.name),
        # The MAC that the network knows, if it is that of a member.
        mac: (if .macs | index([$vnic.mac]) then $vnic.mac else .macs[0] end),
        members: [.name as $name | .macs | to_entries[] | {name: "\($name | name_base)p\(.key)", mac: .value}]
      }],
      nics: (reduce ([$placed[].over, $providers[]] | distinct | map(select(is_mac)))[] as $key ([];
        tags_of($key) as $tags
        | direct_of($key) as $vnic
        | . + [{
            $key, $tags,
            mac: $key,
            mtu: mtu_of($key),
            name: ($vnic.name // free_name("nic_\($tags[0] // "")" | name_base;
              $bond_names + [$placed[].name] + map(.name)))
          }]))
    };

# Converts the links (networking-links.jq) to files for systemd-networkd and udev, and to the state that early boot needs.
#
# Every file name begins with 50-. The system pool may contain /etc/systemd/network: a file with a lower number there takes
# precedence, and a file with the same name replaces ours.
include "networking-values";

def text(line): order("text"; line);
def file(name): order("file"; "50-\(name)");
def blank: text("");

# Matches a physical NIC by its permanent address, which is unique: a bond or a VLAN that uses the same MAC has none.
def match_nic: text("[Match]", "PermanentMACAddress=\(.mac)");
def match_name: text("[Match]", "Name=\(.name)");

def alias_setting: if .alias == "" then empty else "Alias=\(.alias)" end;
def nic_link: file("\(.name).link"), match_nic, blank, text("[Link]", "Name=\(.name)", alias_setting);
# udev applies the first file that matches. Its own default would give virtual links another MAC.
def virtual_link:
  file("\(.name).link"), text("[Match]", "OriginalName=\(.name)"), blank, text("[Link]", alias_setting);

def no_autoconfiguration: text("LinkLocalAddressing=no", "IPv6AcceptRA=no", "LLMNR=no");

# The settings of a vnic: the rest of [Network], and the [Route] sections.
def vnic_settings($config):
  . as $vnic
  | (if .admin then .resolvers + $config.resolvers | distinct else .resolvers end | map(select(is_ipv4))) as $dns
  | text("Address=\(.ip)/\(.prefix)"),
    no_autoconfiguration,
    ($dns[] | text("DNS=\(.)")),
    (if .admin then $config.domains[] | text("Domains=\(.)") else empty end),
    # Each gateway gives a default route. The primary NIC's has the lowest metric, so that the choice does not depend on timing.
    (if .default_gateway then
      blank, text("[Route]", "Gateway=\(.default_gateway)", "Metric=\(if .primary then 100 else 100 + .position end)")
    else empty end),
    ($config.routes[] | select(.mac == $vnic.mac)
      | blank, text("[Route]", "Destination=\(.destination)", if .gateway then "Gateway=\(.gateway)" else "Scope=link" end));

# The .network file of a link, which also lists the links over it. The boot does not wait for a link that only carries others.
# Without an admin network, such a link may have fetched the root; it then keeps its address, so that an operator can reach
# the machine.
def network($config; match):
  (.key // "") as $key
  | file("\(.name).network"), match, blank,
    text("[Link]", "MTUBytes=\(.mtu)", if .vnic then empty else "RequiredForOnline=no" end),
    blank, text("[Network]"),
    ($config.vnics[] | select(.over == $key)
      | if .kind == "vlan" then text("VLAN=\(.name)") elif .kind == "macvlan" then text("MACVLAN=\(.name)") else empty end),
    if .vnic then .vnic | vnic_settings($config)
    else no_autoconfiguration, (if $config.has_admin then empty else text("KeepConfiguration=static") end) end;

def bond_netdev:
  (.lacp_mode == "off") as $static
  | file("\(.name).netdev"),
    text("[NetDev]", "Name=\(.name)", "Kind=bond", "MACAddress=\(.mac)"), blank,
    text("[Bond]", "Mode=\(if $static then "balance-xor" else "802.3ad" end)", "TransmitHashPolicy=layer2+3",
      "MIIMonitorSec=100ms", if $static then empty else "LACPTransmitRate=fast" end);

def virtual_netdev:
  file("\(.name).netdev"),
  text("[NetDev]", "Name=\(.name)", "Kind=\(.kind)", "MACAddress=\(.mac)"), blank,
  if .kind == "vlan" then text("[VLAN]", "Id=\(.vlan)") else text("[MACVLAN]", "Mode=bridge") end;

def idle_facts: "without an address, mtu \(.mtu)\(if .alias == "" then "" else ", for \(.alias)" end)";
def facts: "\(.ip)/\(.prefix) mtu \(.mtu) gateway \(.default_gateway // "none")";
# An order for the console: the link's name, the physical NICs of which it needs one, and its facts.
def link_order($name; $nics; text): order("link"; "\($name) \($nics | join(",")) \(text)");

def units($config):
  . as {bonds: $bonds, nics: $nics, vnics: $vnics}
  | ($config + {$vnics, has_admin: any($vnics[]; .admin)}) as $config
  | def direct_vnic: .key as $key | first($vnics[] | select(.kind == "direct" and .over == $key)) // null;
    def lower_name($key): first(($nics[] | select(.key == $key) | .name), $key);
    def lower_nics($key):
      first(($vnics[] | select(.kind == "vlan" and .name == $key) | .over), $key) as $link
      | [$bonds[] | select(.key == $link) | .members[].name] as $members
      | if $members == [] then [lower_name($link)] else $members end;
    (if $config.has_admin then empty else order("no_admin_address"; "true") end),
    ($bonds[]
      | direct_vnic as $vnic
      | . + {$vnic, alias: ([$vnic.tag, .tags[]] | map(select(. != null)) | distinct | join(",") | .[:255] | alias)}
      | . as $bond
      | order("bond"; "\(.name) \(if .lacp_mode == "off" then "balance-xor" else "802.3ad" end) \(.mac) \(.macs | join(" "))"),
        (if .lacp_mode == "passive" then
          order("notice"; "aggregation \(.name) has lacp_mode passive, but sends LACP actively: systemd-networkd has no passive mode")
        else empty end),
        bond_netdev,
        virtual_link,
        network($config; match_name),
        (.members[]
          | order("nic"; "\(.name) \(.mac) member of \($bond.name)"),
            (. + {alias: $bond.alias} | nic_link),
            file("\(.name).network"), match_nic, blank, text("[Link]", "MTUBytes=\($bond.mtu)"), blank,
            text("[Network]", "Bond=\($bond.name)"), no_autoconfiguration),
        link_order(.name; lower_nics(.key);
          "\(if $vnic then $vnic + {mtu} | facts else idle_facts end), of \(.macs | join(" "))")),
    ($nics[]
      | direct_vnic as $vnic
      | . + {$vnic, alias: (if $vnic then $vnic.tag else .tags | join(",") | .[:255] end | alias)}
      | (if $vnic then $vnic + {mtu} | facts else idle_facts end) as $facts
      | order("nic"; "\(.name) \(.mac) \($facts)"),
        nic_link,
        network($config; match_nic),
        link_order(.name; [.name]; $facts)),
    ($vnics[] | select(.kind != "direct")
      | . as $vnic
      | . + {$vnic, key: .name, alias: (.tag | alias)}
      | virtual_netdev,
        virtual_link,
        network($config; match_name),
        link_order(.name; lower_nics(.over);
          "\(facts), \(if .kind == "vlan" then "vlan \(.vlan)" else "macvlan" end) over \(lower_name(.over))"));

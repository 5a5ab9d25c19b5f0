# Converts networking.json (Triton's form) to orders for live-premount/triton-networking, one per line:
#   file NAME        begin a file of that name for systemd-networkd or udev
#   text LINE        add LINE to it
#   nic NAME MAC WHAT…          a physical NIC that gets a name
#   bond NAME MODE MAC MAC…     a bond, its own address, then those of its members
#   link NAME NIC,NIC… FACTS…   a link, and the names of the NICs of which it needs one
#   hostname NAME, domain NAME
#   no_admin_address true       no link has an address on the admin network
#   notice WHAT
#   problem WHAT|REMEDY
# Any part of the input may be missing or of the wrong type; an unusable value becomes a `problem`.
# Run with --slurp, so that an empty file is detected, and with --arg boot_mac.
include "networking-values";
include "networking-links";
include "networking-units";

# Adds default_gateway to each vnic with a usable gateway. → {vnics, problems}
def with_gateways:
  reduce .[] as $vnic ({vnics: [], problems: []};
    if $vnic.gateway == "" then .vnics += [$vnic]
    elif $vnic.gateway | is_host_ipv4 and is_in($vnic.ip; $vnic.prefix) and . != $vnic.ip then
      .vnics += [$vnic + {default_gateway: $vnic.gateway}]
    else
      .vnics += [$vnic]
      | .problems += [problem("the gateway of vnic \($vnic.mac) in networking.json is not on its network: \($vnic.gateway)";
          "correct the network's gateway in NAPI and reboot")]
    end);

# The static routes, each with the MAC of its vnic. → {routes, problems}
# A gateway may be macs[<mac>], by which NAPI means that the destination is on the same wire as that NIC.
def routes_of($routes; $vnics):
  reduce ($routes | fields | to_entries[:most_entries])[] as $route ({routes: [], problems: []};
    ($route.key | destination) as $destination
    | ($route.value | if matches("macs\\[[0-9A-Fa-f:]*\\]") then .[5:-1] | mac else null end) as $mac
    | (if $mac then first($vnics[] | select(.mac == $mac)) else
        first($vnics[] | . as $vnic | $route.value | select(is_host_ipv4 and is_in($vnic.ip; $vnic.prefix) and . != $vnic.ip) | $vnic)
      end // null) as $vnic
    | "route to \($route.key) in networking.json" as $where
    | if $destination == null then
        .problems += [problem("\($where) has no valid destination"; "correct the network's routes in NAPI and reboot")]
      elif $vnic == null then
        .problems += [problem("\($where) has a gateway that is on no network of this server: \($route.value)";
          "correct the network's routes in NAPI and reboot")]
      elif any(.routes[]; .destination == $destination) then .
      else .routes += [{$destination, mac: $vnic.mac, gateway: (if $mac then null else $route.value end)}] end);

# The booter lists a NIC's resolvers twice, with the NIC and at the top, so an invalid one is also in the file twice.
def resolver_problems:
  [.resolvers, (.vnics | objects[:most_entries][].resolvers) | arrays[:most_entries][] | select(is_ipv4 | not)]
  | each_once[]
  | problem("resolver in networking.json is not valid: \(.)"; "correct the network's resolvers in NAPI and reboot");

# Reports values of another type than the booter writes. They are not used.
def type_problems:
  def wrong(what): problem("\(what), so it is not used"; "reboot, so that the booter rewrites it");
  def not_list($name; where): if .[$name] == null or (.[$name] | type) == "array" then empty
    else wrong("\($name) \(where) is not a list: \(.[$name])") end;
  not_list("resolvers"; "in networking.json"),
  (.vnics | objects[:most_entries][]
    | not_list(("resolvers", "nic_tags_provided"); "of vnic \(.mac) in networking.json")),
  (.aggregations | objects[:most_entries][]
    | not_list("nic_tags_provided"; "of aggregation \(.name) in networking.json")),
  (("routes", "nictag_rules") as $name
    | select(.[$name] != null and (.[$name] | type) != "object")
    | wrong("\($name) in networking.json is not an object: \(.[$name])")),
  (select(.datacenter_name != null and (.datacenter_name | type) != "string")
    | wrong("datacenter_name in networking.json is not a name: \(.datacenter_name)")),
  (select(.admin_tag != null and (.admin_tag | type != "string" or . == ""))
    | wrong("admin_tag in networking.json is not the name of a tag: \(.admin_tag)"));

def orders:
  . as $doc
  | links($boot_mac | mac) as $links
  | ($links.vnics | with_gateways) as {vnics: $vnics, problems: $gateway_problems}
  | routes_of($doc.routes; $vnics) as {routes: $routes, problems: $route_problems}
  | (if .dns_domain | is_host_name then .dns_domain else null end) as $domain
  | {
      $routes,
      resolvers: (.resolvers | strings[:most_entries]),
      domains: (if $domain == null then []
        elif .datacenter_name | is_host_name then ["\(.datacenter_name).\($domain)", $domain]
        else [$domain] end)
    } as $config
  | if .hostname == null then empty
    elif .hostname | is_host_name then order("hostname"; .hostname)
    else problem("hostname in networking.json is not valid: \(.hostname)"; "correct the server's hostname in CNAPI") end,
    (if $domain then order("domain"; $domain)
    elif .dns_domain == null then empty
    else problem("dns_domain in networking.json is not valid: \(.dns_domain)"; "correct it in SAPI and reboot") end),
    resolver_problems, type_problems,
    (if .vnics | objects == [] then
      problem("networking.json has no vnics, so no NIC has an address from it";
        "give the server a NIC with an address on the admin network in NAPI, and reboot")
    elif .resolvers == null then
      problem("networking.json lacks resolvers, so names may not resolve";
        "set resolvers on the admin network in NAPI, and reboot")
    else empty end),
    $links.problems[], $gateway_problems[], $route_problems[],
    ($links + {$vnics} | units($config));

if length == 0 then problem("networking.json is empty"; "reboot, so that the booter rewrites it")
elif length > 1 or (first | type) != "object" then
  problem("networking.json is not a JSON object"; "reboot, so that the booter rewrites it")
else first | orders end

/**
 * NICs, link aggregations and virtual NICs in their current state, with the NIC tags that they provide.
 * Every name below "NIC Names" becomes a NIC tag in NAPI, so tags come only from Triton's own data.
 */

import { json, objects } from "./parse.mjs";

export async function network({ host, networking, kernelArguments, bootNic }) {
  const links = objects(json(await host.run("/usr/sbin/ip", "-json", "-details", "address"))).filter(
    ({ link_type }) => link_type === "ether",
  );
  const aggregations = links.filter(isKind("bond"));
  const names = new Map(aggregations.map((link) => [link.ifname, aggregationName(link, links, networking)]));
  const nameOf = (ifname) => names.get(ifname) ?? ifname;

  const adminTag = typeof networking.admin_tag === "string" ? networking.admin_tag : "admin";
  const owners = tagOwners(networking, kernelArguments);
  const nics = [...links.filter((link) => link.linkinfo?.info_kind === undefined), ...aggregations].map((link) => ({
    ...link,
    tags: owners.filter(({ owner }) => owner === macOf(link) || owner === names.get(link.ifname)).map(({ tag }) => tag),
  }));
  const admin = nics.find(({ tags }) => tags.includes(adminTag)) ?? linkOfBoot(nics, bootNic);
  // The NIC that the booter answered has the admin tag, even if no data names it.
  if (admin !== undefined && !admin.tags.includes(adminTag)) admin.tags.push(adminTag);

  const adminIp = (admin && ip4addr(admin)) || bootNic.ip;
  return {
    "Admin NIC Tag": adminTag,
    ...(adminIp && { "Admin IP": adminIp }),
    "Network Interfaces": Object.fromEntries(
      nics.map((nic) => [nameOf(nic.ifname), { ...state(nic), "NIC Names": [...new Set(nic.tags)] }]),
    ),
    "Virtual Network Interfaces": virtualNics(links, networking, nameOf),
    "Link Aggregations": Object.fromEntries(
      aggregations.map((link) => [
        nameOf(link.ifname),
        { "LACP mode": lacpMode(link), Interfaces: links.filter(isMemberOf(link)).map(({ ifname }) => ifname) },
      ]),
    ),
  };
}

const isKind =
  (...kinds) =>
  (link) =>
    kinds.includes(link.linkinfo?.info_kind);
const isMemberOf = (aggregation) => (link) => link.master === aggregation.ifname;

/** A member of an aggregation has the aggregation's address; its own address is the permanent one. */
const macOf = (link) => (link.permaddr ?? link.address ?? "").toLowerCase();
const ip4addr = (link) => objects(link.addr_info).find(({ family }) => family === "inet")?.local ?? "";
const isUp = ({ operstate, flags = [] }) =>
  operstate === "UP" || (operstate === "UNKNOWN" && flags.includes("LOWER_UP"));
const state = (link) => ({
  "MAC Address": macOf(link),
  ip4addr: ip4addr(link),
  "Link Status": isUp(link) ? "up" : "down",
});

/** Triton's name for an aggregation: that of the aggregation in networking.json with the same name, or with one of its NICs. */
function aggregationName(link, links, { aggregations }) {
  const members = links.filter(isMemberOf(link)).map(macOf);
  const known = objects(aggregations);
  const same =
    known.find(({ name }) => name === link.ifname) ??
    known.find(({ macs }) => Array.isArray(macs) && macs.some((mac) => members.includes(String(mac).toLowerCase())));
  return same?.name ?? link.ifname;
}

function lacpMode({ linkinfo }) {
  const { mode, ad_lacp_active } = linkinfo.info_data ?? {};
  if (mode !== "802.3ad") return "off";
  return ad_lacp_active === "off" ? "passive" : "active";
}

/**
 * The NIC that provides each tag, by its MAC or its name. The source is networking.json, or without it the booter's kernel
 * arguments `<tag>_nic=<MAC or aggregation>`.
 */
function tagOwners({ nictags }, kernelArguments) {
  const told = objects(nictags).map(({ name, mac }) => ({ tag: name, owner: mac }));
  const booted = Object.entries(kernelArguments)
    .filter(([key]) => /._nic$/.test(key))
    .map(([key, owner]) => ({ tag: key.slice(0, -"_nic".length), owner }));
  return (told.length > 0 ? told : booted)
    .filter(({ tag, owner }) => typeof tag === "string" && typeof owner === "string")
    .map(({ tag, owner }) => ({ tag, owner: /^[0-9a-f:]+$/i.test(owner) ? owner.toLowerCase() : owner }));
}

/** The NIC that the firmware booted from, or the aggregation of that NIC. */
function linkOfBoot(nics, { mac }) {
  const nic = nics.find((each) => macOf(each) === mac?.replaceAll("-", ":").toLowerCase());
  return nics.find(({ ifname }) => ifname === nic?.master) ?? nic;
}

/**
 * The virtual NICs of networking.json, or without it all virtual NICs. A VLAN link that carries others has the MAC of the
 * link below it, so the MAC alone does not identify a virtual NIC.
 */
function virtualNics(links, { vnics }, nameOf) {
  const asked = objects(vnics);
  const found = links.filter(isKind("vlan", "macvlan")).map((link) => {
    const { lowest, vlan } = below(link, links);
    const vnic = asked.find(({ mac, vlan_id = 0 }) => String(mac).toLowerCase() === macOf(link) && vlan_id === vlan);
    return { link, lowest, vlan, vnic };
  });
  return Object.fromEntries(
    found
      .filter(({ vnic }) => asked.length === 0 || vnic !== undefined)
      .map(({ link, lowest, vlan, vnic }) => {
        const overlays = vnic?.overlay_nic_tags_provided;
        return [
          link.ifname,
          {
            ...state(link),
            "Host Interface": nameOf(lowest),
            VLAN: String(vlan),
            ...(Array.isArray(overlays) && overlays.length > 0 && { "Overlay Nic Tags": overlays }),
          },
        ];
      }),
  );
}

/** The NIC or aggregation below a link, directly or through other links, and the VLAN on the way; 0 means no VLAN. */
function below(link, links) {
  let vlan = 0;
  let at = link;
  for (let depth = 0; depth < links.length && at?.link !== undefined; depth += 1) {
    if (isKind("vlan")(at)) vlan = at.linkinfo.info_data?.id ?? vlan;
    const lower = links.find(({ ifname }) => ifname === at.link);
    if (lower === undefined) return { lowest: at.link, vlan };
    at = lower;
  }
  return { lowest: at.ifname, vlan };
}

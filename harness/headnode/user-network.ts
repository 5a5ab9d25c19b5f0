/**
 * The subnet that QEMU's user networking plays for a CN: the headnode's real addresses, on loopback.
 * Whatever the CN sends to `host` reaches 127.0.0.1 of this machine with its port unchanged.
 * Source: QEMU docs, "-netdev user" (net, host, dns, dhcpstart); net/slirp.c (which masks it takes).
 */
import { formatIpv4, parseIpv4, prefixLength } from "../cn-files/ipv4.js";

/** What the CN is called on the admin network. */
export interface CnAddress {
  readonly ip: string;
  readonly netmask: string;
}

/** The address of a CN when no networking.json tells of one. */
export const defaultCnAddress: CnAddress = { ip: "10.99.99.38", netmask: "255.255.255.0" };

/** Prefix lengths of subnets that QEMU plays and that have an address beside the CN's. */
const PREFIXES = { least: 4, most: 30 } as const;

/** Whether there can be a headnode on the CN's subnet. */
export function canBePlayed({ netmask }: CnAddress): boolean {
  const prefix = prefixLength(netmask);
  return prefix >= PREFIXES.least && prefix <= PREFIXES.most;
}

/** What the CN is called while it boots. @param address the one in networking.json, if it has one */
export const cnAddressFor = (address: CnAddress | undefined): CnAddress =>
  address !== undefined && canBePlayed(address) ? address : defaultCnAddress;

export interface UserNetwork {
  /** "10.99.99.0/24" */
  readonly net: string;
  /** The headnode: file service, DHCP, TFTP. */
  readonly host: string;
  /** QEMU's DNS forwarder, kept off the other two. */
  readonly dns: string;
  /** The first lease, which the CN's boot NIC gets: the CN's own address, as booter gives it. */
  readonly dhcpStart: string;
}

/**
 * The headnode is .7 of the subnet, and the forwarder .3, unless the CN is there or the subnet is too small for it.
 * @param cn whose subnet canBePlayed()
 */
export function userNetworkFor(cn: CnAddress): UserNetwork {
  const prefix = prefixLength(cn.netmask);
  const size = 2 ** (32 - prefix);
  const own = parseIpv4(cn.ip);
  const net = own - (own % size);
  const free = [7, 3, 1, 2, 4, 5, 6].filter((host) => host < size - 1).map((host) => net + host);
  const [host, dns] = free.filter((address) => address !== own);
  return {
    net: `${formatIpv4(net)}/${prefix}`,
    // A /30 has one address beside the CN's: then there is no forwarder, and QEMU is told an address nobody asks.
    host: formatIpv4(host ?? net + 1),
    dns: formatIpv4(dns ?? net),
    dhcpStart: cn.ip,
  };
}

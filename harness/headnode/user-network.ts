/**
 * The subnet that QEMU's user networking emulates for a CN, with the addresses of a real headnode.
 * Packets from the CN to `host` reach 127.0.0.1 of this machine with the port unchanged.
 * Source: QEMU docs, "-netdev user" (net, host, dns, dhcpstart); net/slirp.c (which masks it accepts).
 */
import { formatIpv4, parseIpv4, prefixLength } from "../cn-files/ipv4.js";

/** The CN's address on the admin network. */
export interface CnAddress {
  readonly ip: string;
  readonly netmask: string;
}

/** The CN's address if no networking.json names one. */
export const defaultCnAddress: CnAddress = { ip: "10.99.99.38", netmask: "255.255.255.0" };

/** Prefix lengths of the subnets that QEMU can emulate and that have a second address next to the CN's. */
const PREFIXES = { least: 4, most: 30 } as const;

/** Whether the CN's subnet has room for a headnode and QEMU can emulate it. */
export function canBePlayed({ netmask }: CnAddress): boolean {
  const prefix = prefixLength(netmask);
  return prefix >= PREFIXES.least && prefix <= PREFIXES.most;
}

/** The CN's address while it boots. @param address the address in networking.json, if it names one */
export const cnAddressFor = (address: CnAddress | undefined): CnAddress =>
  address !== undefined && canBePlayed(address) ? address : defaultCnAddress;

export interface UserNetwork {
  /** "10.99.99.0/24" */
  readonly net: string;
  /** The headnode's address: file server, DHCP, TFTP. */
  readonly host: string;
  /** Address of QEMU's DNS forwarder, distinct from the other two. */
  readonly dns: string;
  /**
   * Where a headnode has its RabbitMQ. Nothing answers there: QEMU leads only `host` and `dns` out of the subnet. The CN's own
   * address in a subnet that is too small.
   */
  readonly rabbitmq: string;
  /** The first lease, which the CN's boot NIC gets: the CN's own address, as from booter. */
  readonly dhcpStart: string;
}

/**
 * The headnode is .7 of the subnet, the forwarder .3 and RabbitMQ .20, unless the CN has that address or the subnet is too
 * small.
 * @param cn an address for which canBePlayed() is true
 */
export function userNetworkFor(cn: CnAddress): UserNetwork {
  const prefix = prefixLength(cn.netmask);
  const size = 2 ** (32 - prefix);
  const own = parseIpv4(cn.ip);
  const net = own - (own % size);
  const free = [7, 3, 1, 2, 4, 5, 6].filter((host) => host < size - 1).map((host) => net + host);
  const [host, dns] = free.filter((address) => address !== own);
  const rabbitmq = [20, 21].filter((offset) => offset < size - 1).map((offset) => net + offset);
  return {
    net: `${formatIpv4(net)}/${prefix}`,
    // A /30 has one address next to the CN's. It has no forwarder then, and QEMU gets an address that no client uses.
    host: formatIpv4(host ?? net + 1),
    dns: formatIpv4(dns ?? net),
    rabbitmq: formatIpv4(rabbitmq.find((address) => address !== own) ?? own),
    dhcpStart: cn.ip,
  };
}

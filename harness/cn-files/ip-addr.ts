/**
 * Parses the global IPv4 addresses of a CN from the output of `ip -j addr`.
 * Source: iproute2 ip/ipaddress.c (print_addrinfo).
 */
import { ExpectationFailed } from "../harness-error.js";

export interface CnAddressEntry {
  /** Name of the link. */
  readonly link: string;
  /** Lower case, with colons. */
  readonly mac: string;
  /** "10.99.99.38/24" */
  readonly address: string;
  /** Whether the address has a lifetime, as a DHCP lease does. */
  readonly dynamic: boolean;
}

export const listAddressesCommand = "ip -j addr";

/** @param text output of `listAddressesCommand` @throws ExpectationFailed WRONG_VALUE */
export function parseAddresses(text: string): readonly CnAddressEntry[] {
  try {
    const links = JSON.parse(text) as readonly IpLink[];
    return links.flatMap(({ ifname, address, addr_info }) =>
      addr_info
        .filter(({ family, scope }) => family === "inet" && scope === "global")
        .map(({ local, prefixlen, dynamic }) => ({
          link: ifname,
          mac: address,
          address: `${local}/${prefixlen}`,
          dynamic: dynamic === true,
        })),
    );
  } catch (cause) {
    throw new ExpectationFailed(
      "WRONG_VALUE",
      `the guest's \`${listAddressesCommand}\` printed no address list: ${JSON.stringify(text)}`,
      {
        cause,
      },
    );
  }
}

interface IpLink {
  readonly ifname: string;
  readonly address: string;
  readonly addr_info: readonly {
    readonly family: string;
    readonly scope: string;
    readonly local: string;
    readonly prefixlen: number;
    readonly dynamic?: boolean;
  }[];
}

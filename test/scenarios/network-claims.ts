/** Claims about a CN's network, checked with `ip -j`, networkctl and ping. */

import { expectEqual, expectTrue } from "../../harness/boot/expect.js";
import { listAddressesCommand, parseAddresses } from "../../harness/cn-files/ip-addr.js";
import type { BootedCn, Claim } from "../../harness/scenarios/scenario.js";

/** One link from `ip -d -j link`: the fields that claims compare. */
export interface LinkFacts {
  readonly mac: string;
  readonly alias: string;
  readonly mtu: number;
  /** Name of the link below it, or of the bond that it is a member of. */
  readonly over?: string;
  /** "bond 802.3ad", "vlan 3105" or "macvlan bridge"; absent for a NIC. */
  readonly kind?: string;
}

interface IpLink {
  readonly ifname: string;
  readonly ifalias?: string;
  readonly address: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly link?: string;
  readonly master?: string;
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: { readonly mode?: string; readonly id?: number };
  };
}

function factsOf({ address, ifalias = "", mtu, link, master, linkinfo }: IpLink): LinkFacts {
  const over = link ?? master;
  const { info_kind: kind, info_data: data } = linkinfo ?? {};
  return {
    mac: address,
    alias: ifalias,
    mtu,
    ...(over === undefined ? {} : { over }),
    ...(kind === undefined ? {} : { kind: `${kind} ${data?.id ?? data?.mode}` }),
  };
}

/** Waits until networkd has configured all links. The login prompt may appear before that. */
const settle = ({ run }: BootedCn): Promise<string> =>
  run(
    "for i in $(seq 60); do networkctl list --no-legend | grep -qE 'configuring|pending|initialized' || exit 0; sleep 1; done; " +
      "networkctl list; exit 1",
  );

/** @param expected facts by name of the link, without the loopback */
export const hasLinks = (expected: Readonly<Record<string, LinkFacts>>): Claim<BootedCn> => ({
  title: `the links are ${Object.keys(expected).join(", ")}, all up, each with its MAC, alias, MTU and lower link`,
  verify: async (cn) => {
    await settle(cn);
    const links = (JSON.parse(await cn.run("ip -d -j link")) as IpLink[]).filter(({ ifname }) => ifname !== "lo");
    const byName = (one: readonly [string, unknown], other: readonly [string, unknown]): number =>
      one[0] < other[0] ? -1 : 1;
    expectEqual(
      "the list of links",
      links.map((link) => [link.ifname, factsOf(link)] as const).sort(byName),
      Object.entries(expected).sort(byName),
    );
    const down = links.filter(({ flags }) => !flags.includes("UP") || !flags.includes("LOWER_UP"));
    expectEqual("the list of links that are down", down, []);
  },
});

/** @param expected addresses such as "10.99.99.38/24" by name of the link */
export const hasAddresses = (expected: Readonly<Record<string, string>>): Claim<BootedCn> => ({
  title: `the IPv4 addresses are ${Object.values(expected).join(", ")}, and no link has another`,
  verify: async ({ run }) => {
    const addresses = parseAddresses(await run(listAddressesCommand));
    expectEqual(
      "the list of addresses",
      addresses.map(({ link, address }) => `${link} ${address}`).sort(),
      Object.entries(expected)
        .map(([link, address]) => `${link} ${address}`)
        .sort(),
    );
  },
});

/** Checks networkd's state of every link except the loopback. */
export const isConfigured: Claim<BootedCn> = {
  title: "networkd has configured every link",
  verify: async (cn) => {
    await settle(cn);
    const lines = (await cn.run("networkctl list --no-legend")).split("\n").map((line) => line.trim().split(/\s+/));
    const others = lines.filter(([, name, , , state]) => name !== "lo" && state !== "configured");
    expectEqual("the list of links in another state", others, []);
  },
};

export const answers = (ip: string, how: string, options = ""): Claim<BootedCn> => ({
  title: `${ip} answers: ${how}`,
  verify: async ({ run }) => {
    const said = await run(`ping -n -c 1 -w 20 ${options} ${ip}`);
    expectTrue("one reply arrived", / 1 received/.test(said), said);
  },
});

/** @param route for example "via 10.99.99.60 dev admin0" */
export const routes = (ip: string, route: string): Claim<BootedCn> => ({
  title: `${ip} is reached ${route}`,
  verify: async ({ run }) => {
    const said = await run(`ip route get ${ip}`);
    expectTrue(`the route goes ${route}`, said.includes(` ${route} `), said);
  },
});

export const hashIsVerified: Claim<BootedCn> = {
  title: "networking.json was verified in early boot",
  verify: async ({ run }) => {
    const log = await run("cat /run/triton/early-boot.log");
    expectTrue("the log says so", log.includes("networking.json matches networking.json.hash"), log);
  },
};

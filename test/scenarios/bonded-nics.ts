/**
 * A CN whose admin network is an aggregation, with the boot NIC as a member. Its other networks are VLANs and macvlans over
 * the aggregation, and VLANs over a third NIC. The switch speaks LACP, and a peer answers on each network.
 */
import { join } from "node:path";
import { findProjectRoot } from "../../base/project-root.js";
import { expectEqual, expectTrue } from "../../harness/boot/expect.js";
import { milestoneNames } from "../../harness/boot/milestones.js";
import type { Scenario } from "../../harness/scenarios/scenario.js";
import { awaitNoDisk, noUnitHasFailed } from "./every-cn.js";
import { answers, hasAddresses, hashIsVerified, hasLinks, isConfigured, routes } from "./network-claims.js";

const fixtures = join(findProjectRoot(), "fixtures");
const nics = ["52:54:00:99:00:38", "52:54:00:99:00:39", "52:54:00:99:00:3a"] as const;
const [first, second, third] = nics;

export const bondedNics: Scenario = {
  name: "bonded-nics",
  summary:
    "A CN boots over a member of an LACP aggregation, and has a VLAN and a macvlan over it and a NIC for instances.",
  boots: [
    {
      name: "boot",
      fixtures: {
        networkingPath: join(fixtures, "networking.bond.json"),
        nodeConfigPath: join(fixtures, "node.config"),
        nics: [second, third],
        append: [awaitNoDisk],
        peers: ["10.99.99.60", "198.51.100.1/3105", "192.0.2.60", "10.80.0.60/20", "10.80.1.60/20"],
      },
      milestones: milestoneNames,
      claims: [
        {
          title: "the root was fetched over the bond",
          verify: async ({ run }) => {
            const log = await run("cat /run/triton/early-boot.log");
            expectTrue("the log reports the boot NIC in the bond", /boot NIC \S+ is in the bond aggr0/.test(log), log);
            expectTrue("the address was the bond's", (await run("cat /run/triton/boot-nic")).startsWith("aggr0 "), log);
          },
        },
        hashIsVerified,
        hasLinks({
          aggr0: { mac: first, alias: "admin,external", mtu: 9000, kind: "bond 802.3ad" },
          aggr0p0: { mac: first, alias: "admin,external", mtu: 9000, over: "aggr0" },
          aggr0p1: { mac: first, alias: "admin,external", mtu: 9000, over: "aggr0" },
          external0: { mac: "90:b8:d0:12:34:56", alias: "external", mtu: 1500, over: "aggr0", kind: "vlan 3105" },
          external1: { mac: "90:b8:d0:12:34:57", alias: "external", mtu: 9000, over: "aggr0", kind: "macvlan bridge" },
          instances0: {
            mac: "90:b8:d0:12:34:58",
            alias: "instances",
            mtu: 1500,
            over: "nic_instance0",
            kind: "vlan 20",
          },
          instances1: {
            mac: "90:b8:d0:12:34:59",
            alias: "instances",
            mtu: 1400,
            over: "instances0",
            kind: "macvlan bridge",
          },
          nic_instance0: { mac: third, alias: "instances", mtu: 1500 },
        }),
        hasAddresses({
          aggr0: "10.99.99.38/24",
          external0: "198.51.100.38/25",
          external1: "192.0.2.38/24",
          instances0: "10.80.0.38/24",
          instances1: "10.80.1.38/24",
        }),
        isConfigured,
        {
          title: "the switch and the CN have both NICs in one aggregate",
          verify: async ({ run }) => {
            const state = await run(
              "for i in $(seq 30); do grep -q 'Number of ports: 2' /proc/net/bonding/aggr0 && break; sleep 1; done; " +
                "cat /proc/net/bonding/aggr0",
            );
            expectTrue("two ports are in the active aggregator", state.includes("Number of ports: 2"), state);
            expectEqual("the partner", /Partner Mac Address: (\S+)/.exec(state)?.[1], "02:4c:4c:00:00:01");
          },
        },
        routes("8.8.8.8", "via 198.51.100.1 dev external0"),
        answers("10.99.99.60", "the admin network over the bond"),
        answers("198.51.100.1", "VLAN 3105 over the bond"),
        answers("192.0.2.60", "the macvlan over the bond, with 9000 bytes", "-M do -s 8972"),
        answers("10.80.0.60", "VLAN 20 over a NIC without an address"),
        answers("10.80.1.60", "another network on VLAN 20"),
        noUnitHasFailed,
      ],
    },
  ],
};

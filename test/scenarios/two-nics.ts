/** A CN with an admin NIC and a storage NIC on one wire: addresses, MTU 9000, all kinds of routes, kernel arguments. */
import { join } from "node:path";
import { findProjectRoot } from "../../base/project-root.js";
import { expectEqual, expectTrue } from "../../harness/boot/expect.js";
import { milestoneNames } from "../../harness/boot/milestones.js";
import type { Scenario } from "../../harness/scenarios/scenario.js";
import { awaitNoDisk, noUnitHasFailed } from "./every-cn.js";
import { answers, hasAddresses, hashIsVerified, hasLinks, isConfigured, routes } from "./network-claims.js";

const fixtures = join(findProjectRoot(), "fixtures");
const storage = "52:54:00:99:00:39";
const ip = "ip=10.99.99.38:::255.255.255.0:::none";
/** Arguments like those from operators and CNAPI, which the image does not know. */
const unknown = [
  "smt_enabled=true",
  "rabbitmq=guest:guest:10.99.99.20:5672",
  "x.noimport=true",
  "noimport=truly",
  "destroy_zpools=true2",
  "novel",
];

export const twoNics: Scenario = {
  name: "two-nics",
  summary: "A CN with two NICs has its addresses on these NICs only, large frames, and its static routes.",
  boots: [
    {
      name: "boot",
      fixtures: {
        networkingPath: join(fixtures, "networking.two-nics.json"),
        nodeConfigPath: join(fixtures, "node.config"),
        nics: [storage],
        peers: ["10.99.99.60", "10.78.5.5,routed", "203.0.113.9,routed", "10.80.0.2", "203.0.113.10"],
        // The last ip= counts. The booter's own, without ":none" at its end, comes before it.
        append: [ip, ...unknown, awaitNoDisk],
      },
      milestones: milestoneNames,
      claims: [
        hashIsVerified,
        hasLinks({
          admin0: { mac: "52:54:00:99:00:38", alias: "admin", mtu: 1500 },
          storage0: { mac: storage, alias: "storage", mtu: 9000 },
        }),
        hasAddresses({ admin0: "10.99.99.38/24", storage0: "10.80.0.38/16" }),
        {
          title: "in the initramfs only the boot NIC had the address of ip=…:none",
          verify: async ({ run }) =>
            expectEqual("the boot NIC", await run("cat /run/triton/boot-nic"), "admin0 10.99.99.38/255.255.255.0"),
        },
        isConfigured,
        {
          title: "unknown kernel arguments reach the kernel, and do not change the boot",
          verify: async ({ run }) => {
            const given = (await run("cat /proc/cmdline")).split(" ");
            expectEqual(
              "the list of missing arguments",
              [ip, ...unknown].filter((each) => !given.includes(each)),
              [],
            );
          },
        },
        routes("10.78.5.5", "via 10.99.99.60 dev admin0"),
        routes("203.0.113.9", "via 10.80.0.2 dev storage0"),
        routes("203.0.113.10", "dev storage0"),
        routes("8.8.8.8", "via 10.99.99.60 dev admin0"),
        answers("10.99.99.60", "the admin network"),
        answers("10.80.0.2", "the storage network, with frames of 9000 bytes", "-M do -s 8972"),
        answers("10.78.5.5", "over the route to a network"),
        answers("203.0.113.9", "over the route to one host"),
        answers("203.0.113.10", "on the wire of the NIC that macs[…] names"),
        {
          title: "a frame of 9000 bytes does not leave by the NIC whose MTU is 1500",
          verify: async ({ run }) => {
            const said = await run("ping -n -c 1 -w 5 -M do -s 8972 10.99.99.60 2>&1 || true");
            expectTrue("ping reports it", /message too long, mtu=1500/i.test(said), said);
          },
        },
        noUnitHasFailed,
        {
          title: "a file in /etc/systemd/network replaces ours of the same name, and a drop-in extends ours",
          verify: async ({ run }) => {
            const addresses = (link: string): Promise<string> =>
              run(`ip -4 -o addr show dev ${link} | awk '{ print $4 }' | sort | xargs`);
            await run(
              "mkdir -p /etc/systemd/network/50-admin0.network.d && cd /etc/systemd/network && " +
                "printf '[Match]\\nName=storage0\\n[Network]\\nAddress=10.80.0.99/16\\n' >50-storage0.network && " +
                "printf '[Network]\\nAddress=10.99.99.99/24\\n' >50-admin0.network.d/more.conf && " +
                "networkctl reload && networkctl reconfigure storage0 admin0",
            );
            await run(
              "for i in $(seq 20); do ip -4 addr show dev storage0 | grep -q 10.80.0.99 && break; sleep 1; done",
            );
            await run(
              "for i in $(seq 20); do ip -4 addr show dev admin0 | grep -q 10.99.99.99 && break; sleep 1; done",
            );
            expectEqual("the addresses of storage0", await addresses("storage0"), "10.80.0.99/16");
            expectEqual("the addresses of admin0", await addresses("admin0"), "10.99.99.38/24 10.99.99.99/24");
          },
        },
      ],
    },
  ],
};

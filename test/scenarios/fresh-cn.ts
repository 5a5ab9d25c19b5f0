/** A CN without a pool, on its first boot after the booter wrote its networking.json. */
import { join } from "node:path";
import { findProjectRoot } from "../../base/project-root.js";
import { expectEqual, expectTrue } from "../../harness/boot/expect.js";
import { milestoneNames } from "../../harness/boot/milestones.js";
import { hostidOf } from "../../harness/cn-files/hostid.js";
import { listAddressesCommand, parseAddresses } from "../../harness/cn-files/ip-addr.js";
import { prefixLength } from "../../harness/cn-files/ipv4.js";
import type { Claim, Scenario } from "../../harness/scenarios/scenario.js";
import { isTheImageUnderTest, noUnitHasFailed } from "./every-cn.js";
import { operatorClaims } from "./operator-claims.js";

const fixtures = join(findProjectRoot(), "fixtures");

/** Claims for every CN that boots with networking.json and node.config. */
const claims: readonly Claim[] = [
  isTheImageUnderTest,
  {
    title: "the hostid is that of the system UUID, in early boot and after it",
    verify: async ({ run, plan, recorder }) => {
      const expected = hostidOf(plan.uuid);
      expectEqual("hostid", await run("hostid"), expected);
      const early = recorder.reached.find(({ name }) => name === "hostid");
      expectEqual("the hostid of early boot", early?.detail.split(" ").at(-1), expected);
    },
  },
  {
    title: "the hostname is that of networking.json",
    verify: async ({ run, plan }) => expectEqual("hostname", await run("hostname"), plan.networking?.hostname),
  },
  {
    title: "each vnic of networking.json has its address on its NIC, and the CN has no other addresses",
    verify: async ({ run, plan }) => {
      const addresses = parseAddresses(await run(listAddressesCommand));
      expectEqual(
        "the list of addresses",
        addresses.map(({ mac, address }) => `${mac} ${address}`).sort(),
        plan.networking?.vnics
          .map(({ mac, ip, netmask }) => `${mac.toLowerCase()} ${ip}/${prefixLength(netmask)}`)
          .sort(),
      );
      for (const { link } of addresses) {
        const [, , , , setup] = (await run(`networkctl list --no-legend ${link}`)).trim().split(/\s+/);
        expectEqual(`networkd's state of ${link}`, setup, "configured");
      }
    },
  },
  {
    title: "the DNS servers are the resolvers of networking.json, in their order",
    verify: async ({ run, plan }) => {
      const servers = (await run("resolvectl dns")).match(/\d+\.\d+\.\d+\.\d+/g) ?? [];
      expectEqual("the list of DNS servers", [...new Set(servers)], plan.networking?.resolvers);
    },
  },
  {
    title: "the search domain is the DNS domain of networking.json",
    verify: async ({ run, plan }) => {
      const said = await run("resolvectl domain");
      expectTrue("the domain is searched", said.split(/\s+/).includes(plan.networking?.dnsDomain ?? "?"), said);
    },
  },
  {
    title: "the kernel command line has every argument of the booter",
    verify: async ({ run, plan }) => {
      const given = (await run("cat /proc/cmdline")).split(" ");
      const bootif = `BOOTIF=01-${plan.mac.replaceAll(":", "-")}`;
      const missing = ["boot=live", "console=ttyS1,115200n8", bootif, ...plan.kernelArguments].filter(
        (argument) => !given.includes(argument),
      );
      expectEqual("the list of missing arguments", missing, []);
    },
  },
  {
    title: "the CN has the ZFS tools and kernel module, with the same version",
    verify: async ({ run }) => {
      const said = await run("modprobe zfs && zpool version");
      const [, tools, , module] = /^zfs-(\S+)(\n)zfs-kmod-(\S+)$/.exec(said) ?? [];
      expectTrue("`zpool version` names tools and module", tools !== undefined, said);
      expectEqual("the module's version", module, tools);
    },
  },
  {
    title: "the root is a writable overlay",
    verify: async ({ run }) => {
      expectEqual("the root's type", await run("findmnt -no FSTYPE /"), "overlay");
      expectEqual("what was written", await run("echo kept >/livelab && cat /livelab && rm /livelab"), "kept");
    },
  },
  {
    title: "root's password is that of node.config",
    verify: async ({ run, plan }) =>
      expectEqual("root's hash", await run("getent shadow root | cut -d: -f2"), plan.nodeConfig?.rootShadow),
  },
  noUnitHasFailed,
];

export const freshCn: Scenario = {
  name: "fresh-cn",
  summary: "A CN with one NIC, networking.json and node.config boots to login and is configured as they say.",
  boots: [
    {
      name: "first",
      fixtures: {
        networkingPath: join(fixtures, "networking.json"),
        nodeConfigPath: join(fixtures, "node.config"),
      },
      milestones: milestoneNames,
      claims: [...claims, ...operatorClaims],
    },
  ],
};

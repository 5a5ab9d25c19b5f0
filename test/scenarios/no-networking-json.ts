/**
 * A CN without a networking.json from the booter, because its boot NIC is on no admin network: it must boot, use DHCP only with
 * triton.dhcp-all-nics, and still get the kernel arguments of its NICs and its boot modules.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { findProjectRoot } from "../../base/project-root.js";
import { expectEqual } from "../../harness/boot/expect.js";
import { milestoneNames } from "../../harness/boot/milestones.js";
import { listAddressesCommand, parseAddresses } from "../../harness/cn-files/ip-addr.js";
import type { Scenario } from "../../harness/scenarios/scenario.js";
import { awaitNoDisk } from "./every-cn.js";

const bootModule = join(findProjectRoot(), "fixtures/boot-module.conf");
/** Paths in CNAPI. Each image has the folder of the second, /etc/profile.d. */
const modulePaths = ["livelab.conf", "etc/profile.d/livelab.sh"];
const nodeConfigPath = join(findProjectRoot(), "fixtures/node.config");
// No NIC is configured, so the console has no networkd milestone.
const milestones = milestoneNames.filter((name) => name !== "networkd");

export const noNetworkingJson: Scenario = {
  name: "no-networking-json",
  summary:
    "Without networking.json a CN boots to login with its boot modules, and uses DHCP only with triton.dhcp-all-nics.",
  boots: [
    {
      name: "as-it-is",
      fixtures: {
        nodeConfigPath,
        nicTags: ["mgmt"],
        bootModules: modulePaths.map((path) => `${path}=${bootModule}`),
      },
      milestones,
      claims: [
        {
          title: "the kernel has the argument of the boot NIC's tag, and admin_nic= after it",
          verify: async ({ run, plan }) =>
            expectEqual(
              "the arguments of NICs",
              (await run("cat /proc/cmdline")).split(" ").filter((argument) => /_nic=/.test(argument)),
              [`mgmt_nic=${plan.mac}`, `admin_nic=${plan.mac}`],
            ),
        },
        {
          title: "each boot module is in the new root at the path that boot.ipxe names, with and without a folder",
          verify: async ({ run }) => {
            const text = (await readFile(bootModule, "utf8")).trimEnd();
            for (const path of modulePaths) expectEqual(path, await run(`cat /etc/triton-${path}`), text);
            expectEqual("its mode and owner", await run(`stat -c '%a %U' /etc/triton-${modulePaths[0]}`), "600 root");
          },
        },
        {
          title: "the hostname is the boot MAC with dashes, by which the booter identifies a server before setup",
          verify: async ({ run, plan }) =>
            expectEqual("hostname", await run("hostname"), plan.mac.replaceAll(":", "-")),
        },
        {
          title: "no NIC has an address from DHCP",
          verify: async ({ run }) => {
            const leased = parseAddresses(await run(listAddressesCommand)).filter(({ dynamic }) => dynamic);
            expectEqual("the list of leased addresses", leased, []);
          },
        },
      ],
    },
    {
      name: "dhcp-all-nics",
      fixtures: { nodeConfigPath, append: ["triton.dhcp-all-nics", awaitNoDisk] },
      milestones,
      claims: [
        {
          title: "the boot NIC has its address from DHCP",
          verify: async ({ run, plan }) => {
            // The login prompt may appear before the lease.
            await run("for i in $(seq 20); do ip -4 addr | grep -q dynamic && break; sleep 1; done");
            const addresses = parseAddresses(await run(listAddressesCommand));
            expectEqual(
              "the list of addresses",
              addresses.map(({ mac, address, dynamic }) => `${mac} ${address}${dynamic ? " leased" : ""}`),
              [`${plan.mac} 10.99.99.38/24 leased`],
            );
          },
        },
      ],
    },
  ],
};

/** A CN without a networking.json from the booter: it must boot, and use DHCP only with triton.dhcp-all-nics. */
import { join } from "node:path";
import { findProjectRoot } from "../../base/project-root.js";
import { expectEqual } from "../../harness/boot/expect.js";
import { milestoneNames } from "../../harness/boot/milestones.js";
import { listAddressesCommand, parseAddresses } from "../../harness/cn-files/ip-addr.js";
import type { Scenario } from "../../harness/scenarios/scenario.js";
import { awaitNoDisk } from "./every-cn.js";

const nodeConfigPath = join(findProjectRoot(), "fixtures/node.config");
// No NIC is configured, so the console has no networkd milestone.
const milestones = milestoneNames.filter((name) => name !== "networkd");

export const noNetworkingJson: Scenario = {
  name: "no-networking-json",
  summary: "Without networking.json a CN boots to login, and uses DHCP only with triton.dhcp-all-nics.",
  boots: [
    {
      name: "as-it-is",
      fixtures: { nodeConfigPath },
      milestones,
      claims: [
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

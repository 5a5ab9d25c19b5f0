/**
 * Every way to boot one image: each firmware and transport. Each way is a scenario, so that several run at the same time.
 * In each, the milestone "verified" says that the squashfs has its digest. That the root reads this file does not depend on
 * firmware and transport, so one way from the network and one from a medium check it.
 * All other scenarios boot by QEMU's iPXE ROM, with all files over HTTP.
 */
import { join } from "node:path";
import { findProjectRoot } from "../../base/project-root.js";
import { expectEqual } from "../../harness/boot/expect.js";
import { milestoneNames } from "../../harness/boot/milestones.js";
import { bootScriptName } from "../../harness/headnode/boot-script.js";
import { type Claim, consoleSays, type LoginBoot, type Scenario } from "../../harness/scenarios/scenario.js";
import { awaitNoDisk, isTheImageUnderTest, noUnitHasFailed, runsFromTheSquashfs } from "./every-cn.js";

const fixtures = join(findProjectRoot(), "fixtures");
const fromHeadnode = {
  networkingPath: join(fixtures, "networking.json"),
  nodeConfigPath: join(fixtures, "node.config"),
  append: [awaitNoDisk],
};

/** @param firmware values of its PXE in DHCP options 93 and 77; QEMU's BIOS ROM identifies itself as iPXE */
const chainBy = (
  firmware: { readonly architecture: number; readonly userClass: string | null },
  loader: string,
): Claim => ({
  title: "DHCP gives the firmware its iPXE, and that iPXE its script",
  verify: async ({ dhcp, plan }) => {
    const seen = dhcp()
      .filter(({ classId }) => classId?.startsWith("PXEClient:Arch:"))
      .map(({ architecture, userClass = null, answer }) =>
        JSON.stringify([architecture, userClass, answer.kind === "reply" && answer.file]),
      );
    const { architecture, userClass } = firmware;
    expectEqual(
      "the list of architecture, user class and boot file",
      [...new Set(seen)],
      [
        JSON.stringify([architecture, userClass, loader]),
        JSON.stringify([architecture, "iPXE", bootScriptName(plan.mac)]),
      ],
    );
  },
});

const quietIsUnderstood: Claim = {
  title: "with quiet no line shows the kernel or the pivot, but later milestones imply both",
  verify: async ({ recorder }) =>
    expectEqual(
      "the list of milestones that imply them",
      [recorder.implierOf("kernel")?.name, recorder.implierOf("pivot")?.name],
      ["live-boot-fetch", "login"],
    ),
};

interface Way {
  readonly name: string;
  readonly summary: string;
  readonly fixtures: LoginBoot["fixtures"];
  /** Claims in addition to those of every way. @default none */
  readonly claims?: readonly Claim[];
}

const fromNetwork: readonly Way[] = [
  {
    name: "chain-bios",
    summary:
      "BIOS with a plain PXE loads undionly.kpxe and its script, as DHCP names them, and the rest over HTTP. CNAPI has ip=dhcp and quiet.",
    fixtures: { ...fromHeadnode, chain: true, append: [awaitNoDisk, "ip=dhcp", "quiet"] },
    claims: [
      chainBy({ architecture: 0, userClass: "iPXE" }, "undionly.kpxe"),
      consoleSays(
        "the booter's ip= wins over CNAPI's ip=dhcp",
        /^triton: error: the kernel argument ip=dhcp has no valid address and netmask, so the booter's ip=\S+ is used; /,
      ),
      quietIsUnderstood,
      runsFromTheSquashfs,
    ],
  },
  {
    name: "chain-uefi",
    summary: "UEFI loads snponly.efi and its script, as DHCP names them, and the rest over HTTP.",
    fixtures: { ...fromHeadnode, firmware: "uefi" },
    claims: [chainBy({ architecture: 7, userClass: null }, "snponly.efi")],
  },
  {
    name: "tftp-bios",
    summary: "A headnode with http_pxe_boot=false serves all files over TFTP, including the squashfs for live-boot.",
    fixtures: { ...fromHeadnode, transport: "tftp" },
  },
];

const fromMedia: readonly Way[] = [
  {
    name: "iso-bios",
    summary: "The ISO boots from a CD drive on BIOS.",
    fixtures: { medium: "iso" },
    claims: [runsFromTheSquashfs],
  },
  {
    name: "iso-uefi",
    summary: "The ISO boots from a CD drive on UEFI.",
    fixtures: { medium: "iso", firmware: "uefi" },
  },
  { name: "usb-bios", summary: "The USB disk boots from a stick on BIOS.", fixtures: { medium: "usb" } },
  {
    name: "usb-uefi",
    summary: "The USB disk boots from a stick on UEFI.",
    fixtures: { medium: "usb", firmware: "uefi" },
  },
  {
    name: "iso-disk-bios",
    summary: "The ISO, written unchanged to a disk, boots from that disk on BIOS.",
    fixtures: { medium: "iso-disk" },
  },
];

const scenarioOf = ({ name, summary, fixtures: given, claims = [] }: Way): Scenario => ({
  name: `boot-${name}`,
  summary,
  boots: [
    {
      name: "login",
      fixtures: given,
      milestones: milestoneNames,
      claims: [...claims, isTheImageUnderTest, noUnitHasFailed],
    },
  ],
});

export const networkWays: readonly Scenario[] = fromNetwork.map(scenarioOf);
/** The boots from media. The image's folder must contain its ISO and its USB disk. */
export const mediaWays: readonly Scenario[] = fromMedia.map(scenarioOf);

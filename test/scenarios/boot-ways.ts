/**
 * One image, every way into it: firmware by transport. A scenario a way, so that several run at once.
 * The way by QEMU's iPXE ROM with all by HTTP is that of every other scenario.
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

/** @param firmware what its PXE says in options 93 and 77; QEMU's BIOS ROM owns up to being an iPXE */
const chainBy = (
  firmware: { readonly architecture: number; readonly userClass: string | null },
  loader: string,
): Claim => ({
  title: "DHCP names the firmware its iPXE, and to that its script",
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
  title: "with quiet no line shows the kernel or the pivot, and later milestones imply both",
  verify: async ({ recorder }) =>
    expectEqual(
      "what implies them",
      [recorder.implierOf("kernel")?.name, recorder.implierOf("pivot")?.name],
      ["live-boot-fetch", "login"],
    ),
};

interface Way {
  readonly name: string;
  readonly summary: string;
  readonly fixtures: LoginBoot["fixtures"];
  /** @default none but those of every way */
  readonly claims?: readonly Claim[];
}

const fromNetwork: readonly Way[] = [
  {
    name: "chain-bios",
    summary:
      "BIOS with a plain PXE loads undionly.kpxe, and that its script, as DHCP names them; the rest comes by HTTP. CNAPI has ip=dhcp and quiet.",
    fixtures: { ...fromHeadnode, chain: true, append: [awaitNoDisk, "ip=dhcp", "quiet"] },
    claims: [
      chainBy({ architecture: 0, userClass: "iPXE" }, "undionly.kpxe"),
      consoleSays(
        "the booter's ip= stands against CNAPI's ip=dhcp",
        /^triton: error: the kernel argument ip=dhcp has no address and netmask, so the booter's ip=\S+ is used; /,
      ),
      quietIsUnderstood,
    ],
  },
  {
    name: "chain-uefi",
    summary: "UEFI loads snponly.efi, and that its script, as DHCP names them; the rest comes by HTTP.",
    fixtures: { ...fromHeadnode, firmware: "uefi" },
    claims: [chainBy({ architecture: 7, userClass: null }, "snponly.efi")],
  },
  {
    name: "tftp-bios",
    summary: "A headnode with http_pxe_boot=false serves all by TFTP, the squashfs to live-boot included.",
    fixtures: { ...fromHeadnode, transport: "tftp" },
  },
];

const fromMedia: readonly Way[] = [
  { name: "iso-bios", summary: "The ISO boots from a CD drive on BIOS.", fixtures: { medium: "iso" } },
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
    summary: "The ISO, written to a disk as it is, boots from there on BIOS.",
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
      claims: [...claims, isTheImageUnderTest, runsFromTheSquashfs, noUnitHasFailed],
    },
  ],
});

export const networkWays: readonly Scenario[] = fromNetwork.map(scenarioOf);
/** Of an image whose folder has its ISO and its USB disk. */
export const mediaWays: readonly Scenario[] = fromMedia.map(scenarioOf);

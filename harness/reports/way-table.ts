/**
 * A table of the ways in which a test run booted one image: firmware by transport, with the time to login in each cell.
 * A cell also says if that way was not run or cannot work.
 */
import { formatDuration } from "../../base/format.js";
import type { BootReport } from "../boot/boot-report.js";
import type { ScenarioBootResult } from "../scenarios/scenario-boot.js";

export interface WayTable {
  readonly rows: readonly { readonly way: string; readonly bios: WayCell; readonly uefi: WayCell }[];
  /** SHA-256 of the squashfs files of all boots; one entry if all boots used the same image. */
  readonly digests: readonly string[];
}

export interface WayCell {
  readonly outcome: "passed" | "failed" | "not run";
  readonly text: string;
}

const ways = [
  ["iPXE, all by HTTP", ({ medium, transport }) => medium === "ipxe" && transport === "http"],
  ["two-step chain, then HTTP", ({ medium, transport, chain }) => medium === "ipxe" && transport === "booter" && chain],
  ["iPXE, all by TFTP", ({ medium, transport }) => medium === "ipxe" && transport === "tftp"],
  ["ISO in a CD drive", ({ medium }) => medium === "iso"],
  ["ISO on a disk", ({ medium }) => medium === "iso-disk"],
  ["USB stick", ({ medium }) => medium === "usb"],
] as const satisfies readonly (readonly [way: string, isIt: (options: BootReport["options"]) => boolean])[];

const impossible: Partial<Record<string, string>> = {
  "iPXE, all by HTTP uefi":
    "impossible: QEMU's EFI iPXE starts a kernel without its initrd; UEFI needs the two-step chain",
};

type ReportedBoot = ScenarioBootResult & { readonly report: BootReport };

/** A boot without a report has no known way. */
const hasReport = (boot: ScenarioBootResult): boot is ReportedBoot => boot.report !== undefined;

/** @returns undefined if all boots took the same way */
export function wayTable(boots: readonly ScenarioBootResult[]): WayTable | undefined {
  const toLogin = boots.filter(hasReport).filter(({ report }) => report.options.until === "login");
  const rows = ways.map(([way, isIt]) => {
    const cell = (firmware: "bios" | "uefi"): WayCell =>
      cellOf(
        toLogin.filter(({ report: { options } }) => options.firmware === firmware && isIt(options)),
        impossible[`${way} ${firmware}`] ?? "not run",
      );
    return { way, bios: cell("bios"), uefi: cell("uefi") };
  });
  const taken = rows.flatMap(({ bios, uefi }) => [bios, uefi]).filter(({ outcome }) => outcome !== "not run");
  if (taken.length < 2) return undefined;
  const digests = new Set(toLogin.map(({ report }) => report.image.files["filesystem.squashfs"].sha256 ?? "unknown"));
  return { rows, digests: [...digests] };
}

/** The cell of one way: the first boot that failed, or else the first boot that passed. */
function cellOf(boots: readonly ReportedBoot[], otherwise: string): WayCell {
  const holds = ({ claims }: ReportedBoot): boolean => claims.every(({ outcome }) => outcome === "passed");
  const boot = boots.find((each) => !holds(each)) ?? boots[0];
  if (boot === undefined) return { outcome: "not run", text: otherwise };
  const login = boot.report.milestones.find(({ name }) => name === "login");
  const time = login?.state === "reached" ? formatDuration(login.atMs) : "no login";
  return holds(boot) ? { outcome: "passed", text: time } : { outcome: "failed", text: `failed (${time})` };
}

/** Formats the table for a terminal. */
export function formatWayTable({ rows, digests }: WayTable): string {
  const widths = [
    Math.max(...rows.map(({ way }) => way.length)),
    Math.max(...rows.map(({ bios }) => bios.text.length), "BIOS".length),
  ];
  const line = (...cells: readonly string[]): string =>
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  return [
    line("to login", "BIOS", "UEFI"),
    ...rows.map(({ way, bios, uefi }) => line(way, bios.text, uefi.text)),
    describeDigests(digests),
  ].join("\n");
}

export const describeDigests = (digests: readonly string[]): string =>
  `squashfs of every boot: sha256 ${digests.join(" AND ")}`;

/**
 * The report of a boot: report.json, and the same as text for a terminal.
 * The schema is versioned: a field may be added; a change of a field's meaning needs a new version.
 */
import { join } from "node:path";
import { formatBytes, formatDuration } from "../../base/format.js";
import type { FailureKind } from "../../base/livelab-error.js";
import type { AcceleratorVerdict } from "../../vm/accelerator/accelerator.js";
import type { ExitReport } from "../../vm/qemu/exit-report.js";
import { type FileWarning, formatFileWarning } from "../cn-files/file-warning.js";
import type { ImageFileName } from "../cn-files/image-folder.js";
import type { DhcpExchange } from "../headnode/dhcp-service.js";
import type { Transport } from "../headnode/headnode.js";
import type { SerialName } from "../headnode/serial-port.js";
import type { BootMedium, FirmwareName } from "./boot-medium.js";
import type { CommandLineBootOptions } from "./boot-options.js";
import type { FatalSign, MilestoneName } from "./milestones.js";
import { writeReportFile } from "./report-folder.js";

export const bootReportSchema = "livelab-boot-report/1";

export interface BootReport {
  readonly schema: typeof bootReportSchema;
  /** When the machine was powered on, ISO 8601, UTC. */
  readonly startedAt: string;
  /** From power-on to the end of the machine. */
  readonly durationMs: number;
  readonly verdict: BootVerdict;
  /** All milestones, in the order of a boot. */
  readonly milestones: readonly MilestoneRow[];
  /** Messages of the guest that it cannot continue. */
  readonly fatalSigns: readonly FatalSign[];
  /** Files that the CN requested and the headnode answered with 404. */
  readonly refusedPaths: readonly string[];
  readonly commands: readonly CommandReport[];
  readonly warnings: readonly FileWarning[];
  readonly accelerator: AcceleratorVerdict;
  /** QEMU's version and place, e.g. "10.0.13, livelab's own". */
  readonly qemu: string;
  /** How the machine ended. */
  readonly machineEnd: ExitReport;
  readonly image: {
    readonly path: string;
    readonly stamp: string;
    /** A digest is missing if the file could not be read. `warnings` has the reason, unless the boot was interrupted. */
    readonly files: Readonly<
      Record<ImageFileName, { readonly sizeBytes: number; readonly sha256: string | undefined }>
    >;
  };
  /** The options of `livelab boot` as the caller gave them; the others had their defaults. */
  readonly given: CommandLineBootOptions;
  /** The values that the boot used. */
  readonly options: {
    readonly networking: string | undefined;
    readonly nodeConfig: string | undefined;
    readonly uuid: string;
    readonly mac: string;
    readonly serial: SerialName;
    readonly disks: readonly string[];
    readonly kernelArguments: readonly string[];
    readonly until: MilestoneName;
    readonly medium: BootMedium["kind"];
    readonly firmware: FirmwareName;
    /** Undefined for a boot from a medium. */
    readonly transport: Transport | undefined;
    /** Whether the firmware's PXE loaded iPXE first. */
    readonly chain: boolean;
    readonly memoryMib: number;
    readonly cpus: number;
  };
  /** The script that the headnode served to iPXE; undefined for a boot from a medium. */
  readonly bootScript: string | undefined;
  /** Requests to the headnode's own DHCP and its answers; empty when QEMU's DHCP answers. */
  readonly dhcp: readonly DhcpExchange[];
  /** What livelab could use of the host, within the limits of its container. */
  readonly host: {
    readonly cpus: number;
    readonly memoryMib: number;
    /** Load averages over one minute, at the start and the end. */
    readonly loadAtStart: number;
    readonly loadAtEnd: number;
  };
}

/** `failed`: the guest did not do what it should; `broken`: livelab or the host failed. */
export type BootVerdict = { readonly outcome: "passed" } | FailedVerdict;

export interface FailedVerdict {
  readonly outcome: "failed" | "broken";
  readonly failure: BootFailure;
}

export interface BootFailure {
  readonly code: string;
  /** Where the fault lies, by the error's class; absent for an error that livelab does not know. */
  readonly kind?: FailureKind | undefined;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly lastMilestone: MilestoneName | undefined;
  /** The next expected event, in words. */
  readonly awaited: string | undefined;
  /** The console line most similar to the awaited one. */
  readonly nearestLine: string | undefined;
  /** Transfers of the headnode that were not complete. */
  readonly transfers: readonly string[];
  readonly consoleTail: readonly string[];
}

/**
 * `implied`: the boot passed it at an unknown time, because it reached the later milestone `by`;
 * `not applicable`: it is not on this boot's way; `not awaited`: it comes after `until`.
 */
export type MilestoneRow =
  | { readonly name: MilestoneName; readonly state: "reached"; readonly atMs: number; readonly detail: string }
  | { readonly name: MilestoneName; readonly state: "implied"; readonly by: MilestoneName }
  | { readonly name: MilestoneName; readonly state: "missed" | "not applicable" | "not awaited" };

export interface CommandReport {
  readonly command: string;
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

const reportFileName = "report.json";

/** Writes report.json. @throws HarnessError LOG_NOT_WRITABLE */
export async function writeBootReport(folder: string, report: BootReport): Promise<void> {
  await writeReportFile(join(folder, reportFileName), `${JSON.stringify(report, null, 2)}\n`);
}

/** Formats the milestones as a table, one line each: time since power-on, time since the previous one, name, what was seen. */
function formatMilestoneTable(rows: readonly MilestoneRow[]): string {
  let before = 0;
  return inOrderOfTime(rows)
    .filter(({ state }) => state !== "not awaited" && state !== "not applicable")
    .map((row) => {
      const name = row.name.padEnd(16);
      if (row.state !== "reached") return `${"-".padStart(9)} ${"".padStart(9)}  ${name} ${describeState(row)}`;
      const step = row.atMs - before;
      before = row.atMs;
      const times = `${seconds(row.atMs)} ${`+${(step / 1000).toFixed(1)}`.padStart(9)}`;
      return `${times}  ${name} ${row.detail.slice(0, 90)}`;
    })
    .join("\n");
}

/** The state of a milestone that was not seen, in words. */
export const describeState = (row: Exclude<MilestoneRow, { state: "reached" }>): string =>
  row.state === "implied" ? `implied by ${row.by}` : row.state;

/** Sorts the reached milestones by time; the others keep their places. */
function inOrderOfTime(rows: readonly MilestoneRow[]): readonly MilestoneRow[] {
  const reached = rows.filter((row) => row.state === "reached").sort((a, b) => a.atMs - b.atMs);
  return rows.map((row) => (row.state === "reached" ? (reached.shift() ?? row) : row));
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`.padStart(9);

/** Formats the report for a terminal. @param folder folder with the boot's files */
export function formatBootReport(report: BootReport, folder: string): string {
  const { verdict, image, accelerator } = report;
  const squashfs = formatBytes(image.files["filesystem.squashfs"].sizeBytes);
  const lines = [
    `platform ${image.stamp} (squashfs ${squashfs}), ${accelerator.accelerator}: ${accelerator.reason}`,
    `QEMU ${report.qemu}`,
    ...report.warnings.map((warning) => `warning: ${formatFileWarning(warning)}`),
    formatMilestoneTable(report.milestones),
  ];
  if (verdict.outcome === "passed")
    lines.push(`passed: ${report.options.until} after ${formatDuration(endOf(report))}`);
  else lines.push(...formatFailure(verdict));
  lines.push(`folder: ${folder}`);
  return lines.join("\n");
}

function endOf(report: BootReport): number {
  const rowOf = (wanted: MilestoneName) => report.milestones.find(({ name }) => name === wanted);
  const until = rowOf(report.options.until);
  const row = until?.state === "implied" ? rowOf(until.by) : until;
  return row?.state === "reached" ? row.atMs : report.durationMs;
}

/** A failed verdict in words; failures of the host are named as such. */
export const describeOutcome = ({ outcome, failure }: FailedVerdict): string =>
  outcome === "broken" && failure.kind === "host" ? "broken by the host" : outcome;

function formatFailure(verdict: FailedVerdict): string[] {
  const { failure } = verdict;
  const field = (name: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`  ${name.padEnd(15)} ${value}`];
  return [
    `${describeOutcome(verdict)}: ${failure.message}`,
    ...field("last milestone", failure.lastMilestone ?? "none"),
    ...field("awaited", failure.awaited),
    ...field("nearest line", failure.nearestLine),
    ...failure.transfers.flatMap((transfer) => field("headnode", transfer)),
    ...field("hint", failure.hint),
    "  console tail",
    ...(failure.consoleTail.length === 0 ? ["    (no output)"] : failure.consoleTail.map((line) => `    ${line}`)),
  ];
}

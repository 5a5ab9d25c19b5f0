/**
 * Builds the verdict and the report of a boot from what was observed.
 * boot-report.ts defines and formats the report.
 */
import { loadavg } from "node:os";
import { formatBytes } from "../../base/format.js";
import { memoryBytes, processors } from "../../base/host-capacity.js";
import { LivelabError } from "../../base/livelab-error.js";
import type { AcceleratorVerdict } from "../../vm/accelerator/accelerator.js";
import type { ImageDigests, ImageFileName } from "../cn-files/image-folder.js";
import type { Console } from "../console/console.js";
import { ExpectationFailed } from "../harness-error.js";
import type { Headnode } from "../headnode/headnode.js";
import type { BootPlan } from "./boot-plan.js";
import {
  type BootFailure,
  type BootReport,
  type BootVerdict,
  bootReportSchema,
  type MilestoneRow,
} from "./boot-report.js";
import { milestonesOn } from "./boot-way.js";
import { type MilestoneName, type MilestoneRecorder, milestoneNames, milestones } from "./milestones.js";

/** How many console lines a failure quotes. */
const TAIL_LINES = 15;
/** A line that the serial shell sent. It is not the guest's own, and not readable: a failure does not quote it. */
const shellFrame = /^~.*~$/;

/** The parts of a boot that keep what they observed. */
export interface SeenBoot {
  readonly plan: BootPlan;
  readonly accelerator: AcceleratorVerdict;
  /** Undefined for a boot from a medium. */
  readonly headnode: Headnode | undefined;
  readonly recorder: MilestoneRecorder;
  /** ttyS0, where firmware and iPXE print. */
  readonly firmware: Console;
  /** Where Linux prints. */
  readonly console: Console;
}

/** The facts that only the caller who ended the boot knows. */
export interface BootEnding
  extends Pick<BootReport, "durationMs" | "verdict" | "refusedPaths" | "commands" | "qemu" | "machineEnd"> {
  readonly startedAt: Date;
  readonly digests: ImageDigests;
  /** Load average over one minute. */
  readonly loadAtStart: number;
}

/** Returns the next milestone on the way to `until`; `until` itself when the boot skipped it. */
export function nextAwaited(
  plan: BootPlan,
  recorder: MilestoneRecorder,
  until: MilestoneName,
): (typeof milestones)[number] | undefined {
  const way = milestonesOn(plan);
  const last = recorder.last;
  const from = last === undefined ? 0 : milestoneNames.indexOf(last.name) + 1;
  const end = milestoneNames.indexOf(until) + 1;
  return (
    milestones.slice(from, end).find(({ name }) => way.includes(name) && !recorder.has(name)) ??
    milestones.find(({ name }) => name === until && !recorder.has(name))
  );
}

/** @param error what went wrong, or undefined when everything requested succeeded */
export function verdictOf({ plan, headnode, recorder, ...consoles }: SeenBoot, error: unknown): BootVerdict {
  if (error === undefined) return { outcome: "passed" };
  const console = recorder.has("kernel") ? consoles.console : consoles.firmware;
  const awaited = nextAwaited(plan, recorder, plan.until);
  const failure: BootFailure = {
    code: error instanceof LivelabError ? error.code : "UNEXPECTED",
    kind: error instanceof LivelabError ? error.kind : undefined,
    message: error instanceof Error ? error.message : String(error),
    hint: error instanceof LivelabError ? error.hint : undefined,
    lastMilestone: recorder.last?.name,
    awaited: awaited?.awaited,
    nearestLine: awaited?.source.kind === "console" ? console.nearest(awaited.source.pattern) : undefined,
    transfers: (headnode?.transcript.open ?? []).map(
      ({ path, bytesSent, bytesTotal }) =>
        `was sending ${path}: ${formatBytes(bytesSent)} of ${formatBytes(bytesTotal)}`,
    ),
    consoleTail: console
      .tail(20 * TAIL_LINES)
      .filter((line) => !shellFrame.test(line))
      .slice(-TAIL_LINES),
  };
  return { outcome: error instanceof ExpectationFailed ? "failed" : "broken", failure };
}

/** Builds the report of a boot whose machine has ended. */
export function reportOf(
  { plan, accelerator, headnode, recorder }: SeenBoot,
  { startedAt, digests, loadAtStart, ...ending }: BootEnding,
): BootReport {
  const { image } = plan;
  const file = (name: ImageFileName) => ({ sizeBytes: image.files[name].sizeBytes, sha256: digests.sha256[name] });
  return {
    schema: bootReportSchema,
    startedAt: startedAt.toISOString(),
    ...ending,
    milestones: milestoneRows(plan, recorder),
    fatalSigns: recorder.fatalSigns,
    warnings: [...plan.warnings, ...digests.warnings],
    accelerator,
    image: {
      path: image.path,
      stamp: image.stamp,
      files: {
        vmlinuz: file("vmlinuz"),
        initrd: file("initrd"),
        "filesystem.squashfs": file("filesystem.squashfs"),
      },
    },
    given: plan.given,
    options: {
      networking: plan.networking?.path,
      nodeConfig: plan.nodeConfig?.path,
      uuid: plan.uuid,
      mac: plan.mac,
      serial: plan.serial,
      disks: plan.disks.map(({ path }) => path),
      kernelArguments: plan.kernelArguments,
      until: plan.until,
      medium: plan.medium.kind,
      firmware: plan.firmware.kind,
      transport: plan.medium.kind === "ipxe" ? plan.medium.transport : undefined,
      chain: plan.medium.kind === "ipxe" && plan.medium.loaderDir !== undefined,
      memoryMib: plan.memoryMib,
      cpus: plan.cpus,
    },
    bootScript: headnode?.bootScript,
    dhcp: headnode?.dhcp ?? [],
    host: {
      cpus: processors(),
      memoryMib: Math.round(memoryBytes() / 1024 / 1024),
      loadAtStart,
      loadAtEnd: loadavg()[0] ?? 0,
    },
  };
}

function milestoneRows(plan: BootPlan, recorder: MilestoneRecorder): MilestoneRow[] {
  const way = milestonesOn(plan);
  const reached = new Map(recorder.reached.map((event) => [event.name, event]));
  return milestoneNames.map((name, index) => {
    const event = reached.get(name);
    if (event !== undefined) return { name, state: "reached", atMs: event.atMs, detail: event.detail };
    if (!way.includes(name)) return { name, state: "not applicable" };
    const implier = recorder.implierOf(name);
    if (implier !== undefined) return { name, state: "implied", by: implier.name };
    return { name, state: index <= milestoneNames.indexOf(plan.until) ? "missed" : "not awaited" };
  });
}

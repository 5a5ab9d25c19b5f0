/**
 * Tests whether a Linux kernel runs under an accelerator, and how fast: boots a kernel without a root and waits for its first
 * line. A device node, a created machine and running firmware prove nothing: on some hosts all three work under KVM, but no
 * kernel ever prints a line (measured). The machine has the processor and the devices of a CN.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { processors } from "../../base/host-capacity.js";
import { limitSignal, waitAtMost } from "../../base/wait-at-most.js";
import { createRawDisk } from "../disk-image.js";
import { launchMachine, type RunningMachine } from "../machine.js";
import type { Accelerator, MachineSpec } from "../machine-spec.js";
import { describeExit } from "../qemu/exit-report.js";
import { firstErrorLine, readLogLines } from "../qemu/qemu-log.js";
import { SerialLine } from "../serial/serial-line.js";
import { VmError } from "../vm-error.js";

export interface GuestProbe {
  readonly accelerator: Accelerator;
  readonly kernelPath: string;
  /** Folder for the command line, QEMU's log and the kernel's output. */
  readonly workDir: string;
  /** Longest wait from the resumption of the machine to the first line, in milliseconds. */
  readonly limitMs: number;
  /** Longest wait for QEMU to resume the machine, in milliseconds. @default 20_000 */
  readonly startLimitMs?: number | undefined;
  /** Longest wait for both, in milliseconds. @default their sum */
  readonly totalMs?: number | undefined;
  readonly signal: AbortSignal;
  readonly log?: ((line: string) => void) | undefined;
}

export type GuestProbeResult =
  /** The kernel printed its first line `afterMs` milliseconds after the machine was resumed. */
  | { readonly kind: "printed"; readonly afterMs: number }
  /** The machine ran, but the kernel printed nothing; `detail` says until when, in one line. */
  | { readonly kind: "silent"; readonly detail: string }
  /** QEMU failed before it ran the guest; `detail` gives the reason, in one line. */
  | { readonly kind: "not-started"; readonly detail: string; readonly error: Error };

/** On a busy host QEMU took 10 s to start. */
const START_LIMIT_MS = 20_000;
/** Size of the disk, which the firmware finds empty. */
const DISK_BYTES = 1024 * 1024;

/**
 * Runs the machine and kills it. Every failure is a result.
 * @throws only the signal's reason
 */
export async function probeGuest(probe: GuestProbe): Promise<GuestProbeResult> {
  const { workDir, limitMs, startLimitMs = START_LIMIT_MS, signal, log } = probe;
  const overdue = new VmError("QEMU_BROKEN", `QEMU did not let its guest run in ${seconds(startLimitMs)} s`);
  const endMs = performance.now() + (probe.totalMs ?? startLimitMs + limitMs);
  const start = { limitMs: startLimitMs, signal, onLimit: () => overdue };
  const bounded = limitSignal(start);
  const diskPath = join(workDir, "disk.raw");
  let machine: RunningMachine | undefined;
  try {
    await mkdir(workDir, { recursive: true });
    await createRawDisk(diskPath, DISK_BYTES);
    machine = await launchMachine(probeSpec(probe, diskPath), { workDir, signal: bounded, log });
    await using line = await SerialLine.open(machine.serialPath("ttyS1"));
    const printed = firstKernelLine(line);
    await waitAtMost(machine.resume(), { ...start, signal: bounded });
    return await firstLine(machine, printed, { limitMs: Math.min(limitMs, endMs - performance.now()), signal });
  } catch (error) {
    signal.throwIfAborted();
    return {
      kind: "not-started",
      detail: await describeFailure(error as Error, overdue, workDir),
      error: error as Error,
    };
  } finally {
    await machine?.kill();
    await rm(diskPath, { force: true }).catch(() => undefined);
  }
}

function probeSpec({ accelerator, kernelPath }: GuestProbe, diskPath: string): MachineSpec {
  return {
    name: `probe-${accelerator}`,
    accelerator,
    cpus: Math.min(2, processors()),
    memoryMib: 512,
    uuid: "00000000-0000-4000-8000-000000000001",
    // Only the kernel writes to ttyS1; the firmware writes to ttyS0.
    boot: { kind: "kernel", kernelPath, append: "console=ttyS1 earlyprintk=ttyS1 edd=off panic=-1" },
    disks: [{ path: diskPath, format: "raw" }],
    nics: [
      {
        mac: "52:54:00:00:00:01",
        network: { kind: "user", net: "10.0.2.0/24", host: "10.0.2.2", dhcpStart: "10.0.2.15", isolated: true },
      },
    ],
    serial: ["pty", "pty"],
  };
}

/** Waits for the first line of a running machine's kernel. @throws the signal's reason */
async function firstLine(
  machine: RunningMachine,
  printed: Promise<void>,
  { limitMs, signal }: { readonly limitMs: number; readonly signal: AbortSignal },
): Promise<GuestProbeResult> {
  const start = performance.now();
  const silent = (detail: string): GuestProbeResult => ({ kind: "silent", detail });
  const result = await waitAtMost(
    Promise.race([
      printed.then(() => ({ kind: "printed" as const, afterMs: Math.round(performance.now() - start) })),
      machine.exited.then((report) =>
        silent(report.kvmFailure ?? `no line from the kernel before ${describeExit(report)}`),
      ),
    ]),
    { limitMs, signal },
  );
  return result ?? silent(`no line from the kernel in ${seconds(limitMs)} s`);
}

const seconds = (ms: number): number => Number((ms / 1000).toFixed(1));

/** Describes a failure in one line: QEMU's first error, or the error itself if QEMU hung. */
async function describeFailure(error: Error, overdue: Error, workDir: string): Promise<string> {
  const line = error === overdue ? undefined : firstErrorLine(await readLogLines(join(workDir, "qemu.log")));
  return line ?? error.message.split("\n")[0] ?? error.name;
}

function firstKernelLine(line: SerialLine): Promise<void> {
  return new Promise((resolve) => {
    let text = "";
    line.onData((chunk) => {
      text = (text + chunk.toString("latin1")).slice(-1_000);
      if (text.includes("Linux version ")) resolve();
    });
  });
}

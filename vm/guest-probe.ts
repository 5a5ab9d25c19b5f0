/**
 * Whether a Linux kernel runs under an accelerator, and how soon: boots one without a root and waits for its first line.
 * A device node, a machine created and firmware that runs prove nothing: on some hosts all three work under KVM,
 * but no kernel ever prints a line (measured).
 * Not here: what follows from it (accelerator.ts).
 */
import { describeExit } from "./exit-report.js";
import { launchMachine } from "./machine.js";
import type { Accelerator } from "./machine-spec.js";
import { SerialLine } from "./serial-line.js";
import { waitAtMost } from "./wait-at-most.js";

export interface GuestProbe {
  readonly accelerator: Accelerator;
  readonly kernelPath: string;
  /** Folder that keeps the command line, QEMU's log and the kernel's words. */
  readonly workDir: string;
  /** Longest wait for the first line, in milliseconds. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
  readonly log?: ((line: string) => void) | undefined;
}

export type GuestProbeResult =
  /** The kernel printed its first line so many milliseconds after the machine was let run. */
  | { readonly kind: "printed"; readonly afterMs: number }
  /** It printed nothing; `detail` says until when. */
  | { readonly kind: "silent"; readonly detail: string };

/** @throws VmError as launchMachine does; KVM_UNUSABLE among them */
export async function probeGuest(probe: GuestProbe): Promise<GuestProbeResult> {
  const { accelerator, kernelPath, workDir, limitMs, signal, log } = probe;
  await using machine = await launchMachine(
    {
      name: `probe-${accelerator}`,
      accelerator,
      cpus: 1,
      memoryMib: 256,
      uuid: "00000000-0000-4000-8000-000000000001",
      // The kernel has ttyS1 to itself, for firmware writes to ttyS0.
      boot: { kind: "kernel", kernelPath, append: "console=ttyS1 earlyprintk=ttyS1 edd=off panic=-1" },
      disks: [],
      nics: [],
      serial: ["null", "pty"],
    },
    { workDir, signal, log },
  );
  await using line = await SerialLine.open(machine.serialPath("ttyS1"));
  const printed = firstKernelLine(line);
  await machine.resume();
  const start = performance.now();
  const silent = (detail: string): GuestProbeResult => ({ kind: "silent", detail });
  const overdue = new Error();
  try {
    return await waitAtMost(
      Promise.race([
        printed.then(() => ({ kind: "printed" as const, afterMs: Math.round(performance.now() - start) })),
        machine.exited.then((report) => silent(`no line from the kernel before ${describeExit(report)}`)),
      ]),
      { limitMs, signal, onLimit: () => overdue },
    );
  } catch (error) {
    if (error !== overdue) throw error;
    return silent(`no line from the kernel in ${limitMs / 1000} s`);
  }
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

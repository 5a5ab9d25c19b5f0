/**
 * Which accelerator machines run with, why, and how much longer they may take with it.
 * KVM is believed only after a guest ran (DESIGN D6).
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AcceleratorMemory } from "./accelerator-memory.js";
import { findQemu, readQemuVersion } from "./find-qemu.js";
import { probeGuest } from "./guest-probe.js";
import { kvmLimitMs } from "./kvm-limit.js";
import { inspectKvmNode, KVM_BUSY_REMEDY } from "./kvm-node.js";
import type { Accelerator } from "./machine-spec.js";
import { VmError } from "./vm-error.js";

export type KvmState = "works" | "no-node" | "no-permission" | "busy" | "broken" | "not-probed";

export interface AcceleratorVerdict {
  readonly accelerator: Accelerator;
  /** Why, in words: one line without a full stop. */
  readonly reason: string;
  readonly kvm: KvmState;
  /** What gives this host KVM, where it lacks it. */
  readonly remedy?: string;
  /**
   * How many times longer than on an ordinary host with KVM a guest may take, at least 1.
   * Time limits are multiplied with it.
   */
  readonly timeScale: number;
}

export interface AcceleratorWish {
  readonly want: "auto" | Accelerator;
  /** A kernel to try with; without one KVM is not probed and emulation not measured. */
  readonly kernelPath: string | undefined;
  /** Folder that keeps what was found (accelerator.json) and what the probes said (probe-kvm/, probe-tcg/). */
  readonly stateDir: string;
  readonly signal: AbortSignal;
  readonly log?: ((line: string) => void) | undefined;
  /** @default "/dev/kvm" */
  readonly kvmDevice?: string | undefined;
  /** Longest wait for the first line of a kernel under KVM, in milliseconds. @default $LIVELAB_KVM_LIMIT_S, or 6_000 */
  readonly kvmLimitMs?: number | undefined;
}

/**
 * Milliseconds from the start of the firmware to a Debian kernel's first line with KVM on an ordinary machine:
 * firmware 0.3 s, unpacking 0.4 s. An estimate: no such host was at hand.
 */
const KVM_REFERENCE_MS = 700;
/** Emulation on the machine of DESIGN section 7 measured 5 to 6; one that nobody measured is given twice that. */
const UNMEASURED_TCG_TIME_SCALE = 12;
const KVM_WORKS = "a kernel ran under KVM";
const BROKEN_REMEDY =
  "if this host is itself a virtual machine, give it working nested virtualisation; emulation (--accel tcg) works without";
/** Longest wait for the first line of a kernel under emulation, in milliseconds. */
const TCG_LIMIT_MS = 60_000;
/** A hypervisor that ends frees the processor a moment later. */
const BUSY_TRIES = 3;
const BUSY_PAUSE_MS = 1_000;

/**
 * Decides within 10 s where KVM is asked for; emulation is measured once for each boot of the host.
 * @throws VmError KVM_UNUSABLE when KVM is asked for and does not work; QEMU_NOT_FOUND
 */
export async function decideAccelerator(wish: AcceleratorWish): Promise<AcceleratorVerdict> {
  const memory = await AcceleratorMemory.open(wish.stateDir, await readQemuVersion(await findQemu()));
  const emulated = async (reason: string, kvm: KvmState): Promise<AcceleratorVerdict> => {
    const afterMs = await measureEmulation(wish, memory);
    return { accelerator: "tcg", reason, kvm, timeScale: timeScale(afterMs, UNMEASURED_TCG_TIME_SCALE) };
  };
  if (wish.want === "tcg") return emulated("emulation was asked for", "not-probed");

  const kvm = await judgeKvm(wish, memory);
  if (kvm.state === "works" || (kvm.state === "not-probed" && wish.want === "kvm")) {
    return { accelerator: "kvm", reason: kvm.reason, kvm: kvm.state, timeScale: timeScale(kvm.afterMs, 1) };
  }
  if (wish.want === "kvm")
    throw new VmError("KVM_UNUSABLE", `KVM was asked for, but ${kvm.reason}`, { hint: kvm.remedy });

  const verdict = await emulated(`emulation, because ${kvm.reason}`, kvm.state);
  // Kept only when the kernel did print under emulation: one that prints nothing anywhere says nothing of KVM.
  if (kvm.state === "broken" && (await memory.recall()).tcgAfterMs !== undefined) {
    await memory.keep({ kvm: { works: false, detail: kvm.reason } });
  }
  return { ...verdict, ...(kvm.remedy !== undefined && { remedy: kvm.remedy }) };
}

interface KvmJudgement {
  readonly state: KvmState;
  /** In words, to follow "because". */
  readonly reason: string;
  readonly remedy?: string;
  /** Milliseconds to a guest's first line. */
  readonly afterMs?: number;
}

async function judgeKvm(wish: AcceleratorWish, memory: AcceleratorMemory): Promise<KvmJudgement> {
  const node = await inspectKvmNode(wish.kvmDevice ?? "/dev/kvm");
  if (node.kind !== "open") return { state: node.kind, reason: node.detail, remedy: node.remedy };

  const known = (await memory.recall()).kvm;
  if (known?.works) return { state: "works", reason: KVM_WORKS, afterMs: known.afterMs };
  // Whoever asks for KVM is not put off with what was found before.
  if (known && wish.want === "auto") return { state: "broken", reason: known.detail, remedy: BROKEN_REMEDY };
  if (wish.kernelPath === undefined) {
    return { state: "not-probed", reason: "there is no kernel yet to try KVM with" };
  }
  return probeKvm(wish, wish.kernelPath, memory);
}

async function probeKvm(wish: AcceleratorWish, kernelPath: string, memory: AcceleratorMemory): Promise<KvmJudgement> {
  const { stateDir, signal, log, kvmLimitMs: limitMs = kvmLimitMs(process.env) } = wish;
  const workDir = join(stateDir, "probe-kvm");
  for (let tries = 1; ; tries += 1) {
    try {
      const result = await probeGuest({ accelerator: "kvm", kernelPath, workDir, limitMs, signal, log });
      if (result.kind === "silent") {
        return { state: "broken", reason: `KVM is broken on this host: ${result.detail}`, remedy: BROKEN_REMEDY };
      }
      await memory.keep({ kvm: { works: true, afterMs: result.afterMs } });
      return { state: "works", reason: KVM_WORKS, afterMs: result.afterMs };
    } catch (error) {
      if (!(error instanceof VmError && error.code === "KVM_UNUSABLE")) throw error;
      if (!error.message.includes("Device or resource busy")) {
        return { state: "broken", reason: error.message, remedy: BROKEN_REMEDY };
      }
      if (tries === BUSY_TRIES) return { state: "busy", reason: error.message, remedy: KVM_BUSY_REMEDY };
      await sleep(BUSY_PAUSE_MS, undefined, { signal });
    }
  }
}

/** Milliseconds to a kernel's first line under emulation; undefined when there is none to measure with, or it is silent. */
async function measureEmulation(wish: AcceleratorWish, memory: AcceleratorMemory): Promise<number | undefined> {
  const known = (await memory.recall()).tcgAfterMs;
  if (known !== undefined || wish.kernelPath === undefined) return known;
  const { kernelPath, stateDir, signal, log } = wish;
  const workDir = join(stateDir, "probe-tcg");
  const result = await probeGuest({ accelerator: "tcg", kernelPath, workDir, limitMs: TCG_LIMIT_MS, signal, log });
  if (result.kind === "silent") return undefined;
  await memory.keep({ tcgAfterMs: result.afterMs });
  return result.afterMs;
}

/** One decimal is as much as the measurement bears. */
const timeScale = (afterMs: number | undefined, unmeasured: number): number =>
  afterMs === undefined ? unmeasured : Math.max(1, Math.round((afterMs / KVM_REFERENCE_MS) * 10) / 10);

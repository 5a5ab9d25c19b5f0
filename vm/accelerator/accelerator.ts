/**
 * Which accelerator machines run with, why, and how much longer they may take with it.
 * KVM is believed only after a guest ran (DESIGN D6).
 */
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SharedWork } from "../../base/shared-work.js";
import { TempDir } from "../../base/temp-dir.js";
import type { Accelerator } from "../machine-spec.js";
import { findQemu, QEMU_INSTALL_HINT, readQemuVersion } from "../qemu/find-qemu.js";
import { VmError } from "../vm-error.js";
import { AcceleratorCache, forgetKvmFinding } from "./accelerator-cache.js";
import { type GuestProbeResult, probeGuest } from "./guest-probe.js";
import { DEFAULT_KVM_LIMIT_MS, kvmLimitMs } from "./kvm-limit.js";
import { findForeignKvmModule } from "./kvm-module.js";
import { inspectKvmNode, KVM_BUSY_REMEDY } from "./kvm-node.js";

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

export interface AcceleratorRequest {
  readonly preference: "auto" | Accelerator;
  /** A kernel to try with; without one KVM is not probed and emulation not measured. */
  readonly kernelPath: string | undefined;
  /** Folder that keeps what was found (accelerator.json) and the logs of probes that failed (probe-kvm/, probe-tcg/). */
  readonly stateDir: string;
  readonly signal: AbortSignal;
  readonly log?: ((line: string) => void) | undefined;
  /** @default "/dev/kvm" */
  readonly kvmDevice?: string | undefined;
  /** Longest wait for the first line of a kernel under KVM, in milliseconds. @default $LIVELAB_KVM_LIMIT_S, or 6_000 */
  readonly kvmLimitMs?: number | undefined;
  /** Time for the whole refusal of a KVM that was asked for, in milliseconds. @default 8_500, and more where `kvmLimitMs` is raised */
  readonly refusalLimitMs?: number | undefined;
}

/**
 * Milliseconds from the start of the firmware to a Debian kernel's first line with KVM on an ordinary machine:
 * firmware 0.3 s, unpacking 0.4 s. An estimate: no such host was at hand.
 */
const KVM_REFERENCE_MS = 700;
/** Emulation on the machine of DESIGN section 7 measured 5 to 6; one that nobody measured is given twice that. */
const UNMEASURED_TCG_TIME_SCALE = 12;
/** Time for QEMU's start in a probe of KVM, in addition to the wait for the kernel, in milliseconds; it needs a tenth of that. */
const KVM_START_LIMIT_MS = 1_000;
/** The same where KVM is asked for, and a refusal may not take longer than 10 s in all. */
const REFUSED_START_LIMIT_MS = 4_000;
/** A refusal of KVM is known after so long, in milliseconds: the probe, and a look whether QEMU runs emulated. */
const REFUSAL_LIMIT_MS = 8_500;
/** A QEMU that does not start within less than this, in milliseconds, proves nothing. */
const LEAST_START_LIMIT_MS = 2_000;
const KVM_WORKS = "a kernel ran under KVM";
const BROKEN_REMEDY =
  "if this host is itself a virtual machine, give it working nested virtualisation; emulation (--accel tcg) works without";
/** Longest wait for the first line of a kernel under emulation, in milliseconds. */
const TCG_LIMIT_MS = 60_000;
/** What a failed probe leaves for its diagnosis. */
const PROBE_FILES = ["argv.txt", "qemu.log", "ttyS0.log", "ttyS1.log"];
/** A hypervisor that ends frees the processor a moment later. */
const BUSY_TRIES = 3;
const BUSY_PAUSE_MS = 1_000;

const decisions = new SharedWork<AcceleratorVerdict>();

/**
 * Decides within 10 s where KVM is asked for. What was found is kept for a day at most; emulation is measured as often.
 * Calls at the same time with the same request share one decision.
 * @throws VmError KVM_UNUSABLE when KVM is asked for and does not work; QEMU_BROKEN when QEMU does not run emulated either;
 * QEMU_NOT_FOUND, and for emulation SETPRIV_NOT_FOUND or PTY_UNAVAILABLE
 */
export function decideAccelerator(request: AcceleratorRequest): Promise<AcceleratorVerdict> {
  const { preference, kernelPath, stateDir, kvmDevice, kvmLimitMs } = request;
  const key = JSON.stringify([preference, kernelPath, stateDir, kvmDevice, kvmLimitMs]);
  return decisions.do(key, request.signal, (signal) => decide({ ...request, signal }));
}

/** One decision for all machines of a run: the first request is decided, and the others get its verdict or its error. */
export function decideOnce(): typeof decideAccelerator {
  let first: Promise<AcceleratorVerdict> | undefined;
  return (request) => {
    first ??= decideAccelerator(request);
    return first;
  };
}

/**
 * Drops a verdict in KVM's favour that a machine has disproved, so that the next decision asks anew.
 * Never rejects: the machine's failure is what its caller has to report.
 */
export async function dropKvmVerdict(stateDir: string): Promise<void> {
  await forgetKvmFinding(stateDir).catch(() => undefined);
}

async function decide(request: AcceleratorRequest): Promise<AcceleratorVerdict> {
  const limitMs = request.kvmLimitMs ?? kvmLimitMs(process.env);
  const deadlineMs = performance.now() + (request.refusalLimitMs ?? REFUSAL_LIMIT_MS * slowness(limitMs));
  const qemu = await findQemu();
  const cache = await AcceleratorCache.open(request.stateDir, qemu, await readQemuVersion(qemu));
  if (request.preference === "tcg")
    return emulated(await measureEmulation(request, cache), "emulation was asked for", "not-probed");

  const kvm = await judgeKvm(request, cache, limitMs);
  if (kvm.state === "works" || (kvm.state === "not-probed" && request.preference === "kvm")) return underKvm(kvm);
  if (request.preference === "kvm") {
    if (kvm.qemuFailed) await assertQemuRuns(request, deadlineMs);
    throw new VmError("KVM_UNUSABLE", `KVM was asked for, but ${kvm.reason}`, { hint: kvm.remedy });
  }

  const tcgMs = await measureEmulation(request, cache);
  if (kvm.overdueMs !== undefined && tcgMs !== undefined && tcgMs > kvm.overdueMs) {
    // The host is slow or busy, and KVM was given less time than emulation took.
    const again = await probeKvm(request, request.kernelPath as string, cache, tcgMs);
    if (again.state === "works") return underKvm(again);
  }
  // A kernel that prints nothing anywhere says nothing of KVM; a QEMU that starts but for KVM does.
  if (kvm.isLasting && (kvm.qemuFailed || tcgMs !== undefined)) {
    await cache.save({ kvm: { works: false, detail: kvm.reason, foundAt: new Date().toISOString() } });
  }
  return {
    ...emulated(tcgMs, `emulation, because ${kvm.reason}`, kvm.state),
    ...(kvm.remedy && { remedy: kvm.remedy }),
  };
}

/** How many times longer than the usual one the limit is that the user set. */
const slowness = (limitMs: number): number => Math.max(1, limitMs / DEFAULT_KVM_LIMIT_MS);

const underKvm = ({ reason, state, afterMs }: KvmJudgement): AcceleratorVerdict => ({
  accelerator: "kvm",
  reason,
  kvm: state,
  timeScale: timeScale(afterMs, 1),
});

const emulated = (afterMs: number | undefined, reason: string, kvm: KvmState): AcceleratorVerdict => ({
  accelerator: "tcg",
  reason,
  kvm,
  timeScale: timeScale(afterMs, UNMEASURED_TCG_TIME_SCALE),
});

interface KvmJudgement {
  readonly state: KvmState;
  /** In words, to follow "because": one line. */
  readonly reason: string;
  readonly remedy?: string;
  /** Milliseconds to a guest's first line. */
  readonly afterMs?: number;
  /** Whether a probe found it just now, and not for what the host lacks at the moment, e.g. a pseudo terminal. */
  readonly isLasting?: boolean;
  /** Whether QEMU did not get so far as to run a guest, which may not be KVM's fault. */
  readonly qemuFailed?: boolean;
  /** After so many milliseconds, its limit, the guest had printed nothing. */
  readonly overdueMs?: number;
}

async function judgeKvm(request: AcceleratorRequest, cache: AcceleratorCache, limitMs: number): Promise<KvmJudgement> {
  const node = await inspectKvmNode(request.kvmDevice ?? "/dev/kvm");
  if (node.kind !== "open") return { state: node.kind, reason: node.detail, remedy: node.remedy };

  const known = (await cache.load()).kvm;
  if (known?.works) return { state: "works", reason: KVM_WORKS, afterMs: known.afterMs };
  // A request for KVM is not refused for what was found before.
  if (known && request.preference === "auto") return { state: "broken", reason: known.detail, remedy: BROKEN_REMEDY };
  if (request.kernelPath === undefined) {
    return { state: "not-probed", reason: "there is no kernel yet to try KVM with" };
  }
  return probeKvm(request, request.kernelPath, cache, limitMs);
}

async function probeKvm(
  request: AcceleratorRequest,
  kernelPath: string,
  cache: AcceleratorCache,
  limitMs: number,
): Promise<KvmJudgement> {
  for (let tries = 1; ; tries += 1) {
    const start = performance.now();
    const totalMs = limitMs + KVM_START_LIMIT_MS;
    const refusedMs = REFUSED_START_LIMIT_MS * slowness(limitMs);
    const startLimitMs = request.preference === "kvm" ? Math.min(refusedMs, totalMs) : totalMs;
    const result = await probe(request, { accelerator: "kvm", kernelPath, limitMs, startLimitMs, totalMs });
    if (result.kind === "printed") {
      await cache.save({ kvm: { works: true, afterMs: result.afterMs, foundAt: new Date().toISOString() } });
      return { state: "works", reason: KVM_WORKS, afterMs: result.afterMs };
    }
    const isBusy = result.kind === "not-started" && /resource busy/i.test(`${result.detail} ${result.error.message}`);
    if (!isBusy) return describeBroken(result, performance.now() - start >= limitMs ? limitMs : undefined);
    if (tries === BUSY_TRIES) {
      return { state: "busy", reason: `KVM is busy: ${result.detail}`, remedy: KVM_BUSY_REMEDY };
    }
    await sleep(BUSY_PAUSE_MS, undefined, { signal: request.signal });
  }
}

async function describeBroken(
  result: Exclude<GuestProbeResult, { kind: "printed" }>,
  overdueMs: number | undefined,
): Promise<KvmJudgement> {
  const module = await findForeignKvmModule();
  const note = module === undefined ? "" : ` (its module ${module} runs no ordinary kernel)`;
  return {
    state: "broken",
    reason: `KVM is broken on this host: ${result.detail}${note}`,
    remedy: BROKEN_REMEDY,
    isLasting: result.kind === "silent" || isQemus(result.error),
    qemuFailed: result.kind === "not-started",
    ...(overdueMs !== undefined && { overdueMs }),
  };
}

/**
 * Milliseconds to a kernel's first line under emulation; undefined when there is none to measure with, or it is silent.
 * @throws VmError when QEMU does not start
 */
async function measureEmulation(request: AcceleratorRequest, cache: AcceleratorCache): Promise<number | undefined> {
  const known = (await cache.load()).tcg;
  const { kernelPath } = request;
  if (known !== undefined || kernelPath === undefined) return known?.afterMs;
  const result = await probe(request, { accelerator: "tcg", kernelPath, limitMs: TCG_LIMIT_MS });
  switch (result.kind) {
    case "printed":
      await cache.save({ tcg: { afterMs: result.afterMs, foundAt: new Date().toISOString() } });
      return result.afterMs;
    case "silent":
      return undefined;
    case "not-started":
      throw brokenQemu(result);
    default:
      return result satisfies never;
  }
}

/**
 * Asks whether a KVM that was asked for is to blame, and not QEMU. A host that has no time left for the question is too slow for an
 * answer: KVM is then refused for what it did itself.
 * @throws VmError when QEMU does not run emulated either
 */
async function assertQemuRuns(request: AcceleratorRequest, deadlineMs: number): Promise<void> {
  const { kernelPath } = request;
  const startLimitMs = deadlineMs - performance.now();
  if (kernelPath === undefined || startLimitMs < LEAST_START_LIMIT_MS) return;
  // Whether the kernel prints is another question: a guest that runs is enough.
  const result = await probe(request, { accelerator: "tcg", kernelPath, limitMs: 1, startLimitMs });
  if (result.kind === "not-started") throw brokenQemu(result);
}

/** Whether QEMU or KVM is what failed, and not the host around them. */
const isQemus = (error: Error): boolean =>
  error instanceof VmError && /^(?:EXITED_EARLY|QEMU_BROKEN|QMP_|KVM_)/.test(error.code);

/** A missing setpriv, say, keeps its own error. */
function brokenQemu({ detail, error }: Extract<GuestProbeResult, { kind: "not-started" }>): Error {
  if (!isQemus(error)) return error;
  return new VmError("QEMU_BROKEN", `QEMU does not run a machine, not even an emulated one: ${detail}`, {
    hint: `see that it is installed whole: ${QEMU_INSTALL_HINT}`,
    cause: error,
  });
}

/** Runs a probe in a folder of its own; one that fails leaves its logs in `stateDir`. */
async function probe(
  { stateDir, signal, log }: AcceleratorRequest,
  guest: Pick<Parameters<typeof probeGuest>[0], "accelerator" | "kernelPath" | "limitMs" | "startLimitMs" | "totalMs">,
): Promise<GuestProbeResult> {
  await using dir = await TempDir.create("probe");
  const result = await probeGuest({ ...guest, workDir: dir.path, signal, log });
  if (result.kind === "printed") return result;
  const kept = join(stateDir, `probe-${guest.accelerator}`);
  await mkdir(kept, { recursive: true }).catch(() => undefined);
  for (const name of PROBE_FILES) await copyFile(join(dir.path, name), join(kept, name)).catch(() => undefined);
  return result;
}

/** One decimal is as much as the measurement bears. */
const timeScale = (afterMs: number | undefined, unmeasured: number): number =>
  afterMs === undefined ? unmeasured : Math.max(1, Math.round((afterMs / KVM_REFERENCE_MS) * 10) / 10);

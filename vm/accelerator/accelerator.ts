/**
 * Decides which accelerator machines use, why, and how many times longer they may take with it.
 * KVM counts as working only after a guest has run under it (DESIGN D6).
 */
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SharedWork } from "../../base/shared-work.js";
import { TempDir } from "../../base/temp-dir.js";
import type { Accelerator } from "../machine-spec.js";
import { findQemu, qemuRemedy, readQemuVersion } from "../qemu/find-qemu.js";
import { VmError } from "../vm-error.js";
import { AcceleratorCache, forgetKvmFinding } from "./accelerator-cache.js";
import { type GuestProbeResult, probeGuest } from "./guest-probe.js";
import { DEFAULT_KVM_LIMIT_MS, kvmLimitMs } from "./kvm-limit.js";
import { findForeignKvmModule } from "./kvm-module.js";
import { inspectKvmNode, KVM_BUSY_REMEDY } from "./kvm-node.js";

export type KvmState = "works" | "no-node" | "no-permission" | "busy" | "broken" | "not-probed";

export interface AcceleratorVerdict {
  readonly accelerator: Accelerator;
  /** Reason, one line without a full stop. */
  readonly reason: string;
  readonly kvm: KvmState;
  /** How to get KVM on this host, if it lacks it. */
  readonly remedy?: string;
  /**
   * How many times longer a guest may take than on an ordinary host with KVM, at least 1.
   * Time limits are multiplied by it.
   */
  readonly timeScale: number;
}

export interface AcceleratorRequest {
  readonly preference: "auto" | Accelerator;
  /** Kernel for the probe. Without one, KVM is not probed and emulation is not measured. */
  readonly kernelPath: string | undefined;
  /** Folder for the findings (accelerator.json) and the logs of failed probes (probe-kvm/, probe-tcg/). */
  readonly stateDir: string;
  readonly signal: AbortSignal;
  readonly log?: ((line: string) => void) | undefined;
  /** @default "/dev/kvm" */
  readonly kvmDevice?: string | undefined;
  /** Longest wait for the first line of a kernel under KVM, in milliseconds. @default $LIVELAB_KVM_LIMIT_S, or 6_000 */
  readonly kvmLimitMs?: number | undefined;
  /** Time in which a request for KVM is refused, in milliseconds. @default 8_500, or more if `kvmLimitMs` is raised */
  readonly refusalLimitMs?: number | undefined;
}

/**
 * Milliseconds from the start of the firmware to a Debian kernel's first line with KVM on an ordinary machine:
 * firmware 0.3 s, unpacking 0.4 s. This is an estimate, not a measurement.
 */
const KVM_REFERENCE_MS = 700;
/** Emulation on the machine of DESIGN section 7 measured 5 to 6. An unmeasured host gets twice that. */
const UNMEASURED_TCG_TIME_SCALE = 12;
/** Time for QEMU to start in a probe of KVM, in addition to the wait for the kernel, in milliseconds. It needs a tenth. */
const KVM_START_LIMIT_MS = 1_000;
/** The same if KVM is requested: a refusal may take 10 s in all. */
const REFUSED_START_LIMIT_MS = 4_000;
/** Time for the probe of KVM and a check that QEMU runs without it, in milliseconds. */
const REFUSAL_LIMIT_MS = 8_500;
/** A shorter wait for QEMU to start, in milliseconds, proves nothing about it. */
const LEAST_START_LIMIT_MS = 2_000;
const KVM_WORKS = "a kernel ran under KVM";
const BROKEN_REMEDY =
  "if this host is itself a virtual machine, give it working nested virtualisation; emulation (--accel tcg) works without";
/** Longest wait for the first line of a kernel under emulation, in milliseconds. */
const TCG_LIMIT_MS = 60_000;
/** Files of a failed probe that are kept for its diagnosis. */
const PROBE_FILES = ["argv.txt", "qemu.log", "ttyS0.log", "ttyS1.log"];
/** A hypervisor frees the processor a moment after it ends. */
const BUSY_TRIES = 3;
const BUSY_PAUSE_MS = 1_000;

const decisions = new SharedWork<AcceleratorVerdict>();

/**
 * Decides within 10 s if KVM is requested. Findings about KVM and the measurement of emulation are kept for a day at most.
 * Concurrent calls with the same request share one decision.
 * @throws VmError KVM_UNUSABLE when KVM is requested and does not work; QEMU_BROKEN when QEMU does not run emulated either;
 * QEMU_NOT_FOUND; for emulation also SETPRIV_NOT_FOUND, PTY_UNAVAILABLE
 */
export function decideAccelerator(request: AcceleratorRequest): Promise<AcceleratorVerdict> {
  const { preference, kernelPath, stateDir, kvmDevice, kvmLimitMs } = request;
  const key = JSON.stringify([preference, kernelPath, stateDir, kvmDevice, kvmLimitMs]);
  return decisions.do(key, request.signal, (signal) => decide({ ...request, signal }));
}

/** Makes one decision for all machines of a run: later requests get the verdict, or the error, of the first. */
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
    return emulated(await measureEmulation(request, cache, false), "emulation was requested", "not-probed");

  const kvm = await judgeKvm(request, cache, limitMs);
  if (kvm.state === "works" || (kvm.state === "not-probed" && request.preference === "kvm")) return underKvm(kvm);
  if (request.preference === "kvm") {
    if (kvm.qemuFailed) await assertQemuRuns(request, deadlineMs);
    throw new VmError("KVM_UNUSABLE", `KVM was requested, but ${kvm.reason}`, { hint: kvm.remedy });
  }

  const tcgMs = await measureEmulation(request, cache, kvm.qemuFailed === true);
  if (kvm.overdueMs !== undefined && tcgMs !== undefined && tcgMs > kvm.overdueMs) {
    // The host is slow or busy, and KVM was given less time than emulation took.
    const again = await probeKvm(request, request.kernelPath as string, cache, tcgMs);
    if (again.state === "works") return underKvm(again);
  }
  // A kernel that prints nothing under emulation either is no evidence against KVM; a QEMU that only fails under KVM is.
  if (kvm.isLasting && (kvm.qemuFailed || tcgMs !== undefined)) {
    await cache.save({ kvm: { works: false, detail: kvm.reason, foundAt: new Date().toISOString() } });
  }
  return {
    ...emulated(tcgMs, `emulation, because ${kvm.reason}`, kvm.state),
    ...(kvm.remedy && { remedy: kvm.remedy }),
  };
}

/** Factor by which the user raised the limit. */
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
  /** Reason, one line that can follow "because". */
  readonly reason: string;
  readonly remedy?: string;
  /** Time to the guest's first line, in milliseconds. */
  readonly afterMs?: number;
  /** Whether a probe has just found it, and not because of a passing lack of the host, such as pseudo terminals. */
  readonly isLasting?: boolean;
  /** Whether QEMU ran no guest at all, which may not be KVM's fault. */
  readonly qemuFailed?: boolean;
  /** The limit, in milliseconds, within which the guest printed nothing. */
  readonly overdueMs?: number;
}

async function judgeKvm(request: AcceleratorRequest, cache: AcceleratorCache, limitMs: number): Promise<KvmJudgement> {
  const node = await inspectKvmNode(request.kvmDevice ?? "/dev/kvm");
  if (node.kind !== "open") return { state: node.kind, reason: node.detail, remedy: node.remedy };

  const known = (await cache.load()).kvm;
  if (known?.works) return { state: "works", reason: KVM_WORKS, afterMs: known.afterMs };
  // An explicit request for KVM is not refused because of an earlier finding.
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
 * @param anew whether QEMU has just failed under KVM: an earlier measurement does not prove that it still runs emulated
 * @returns the time to a kernel's first line under emulation, in milliseconds; undefined without a kernel, or if it prints nothing
 * @throws VmError when QEMU does not start
 */
async function measureEmulation(
  request: AcceleratorRequest,
  cache: AcceleratorCache,
  anew: boolean,
): Promise<number | undefined> {
  const known = anew ? undefined : (await cache.load()).tcg;
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
 * Checks that QEMU runs without KVM, so that KVM is to blame. If the probe has used up the time, the check is left out, and KVM is
 * refused with the result of its own probe.
 * @throws VmError when QEMU does not run emulated either
 */
async function assertQemuRuns(request: AcceleratorRequest, deadlineMs: number): Promise<void> {
  const { kernelPath } = request;
  const startLimitMs = deadlineMs - performance.now();
  if (kernelPath === undefined || startLimitMs < LEAST_START_LIMIT_MS) return;
  // A running guest is enough; its kernel need not print.
  const result = await probe(request, { accelerator: "tcg", kernelPath, limitMs: 1, startLimitMs });
  if (result.kind === "not-started") throw brokenQemu(result);
}

/** Whether QEMU or KVM failed, and not the host around them. */
const isQemus = (error: Error): boolean =>
  error instanceof VmError && /^(?:EXITED_EARLY|QEMU_BROKEN|QMP_|KVM_)/.test(error.code);

/** A missing setpriv, for example, keeps its own error. */
function brokenQemu({ detail, error }: Extract<GuestProbeResult, { kind: "not-started" }>): Error {
  if (!isQemus(error)) return error;
  return new VmError("QEMU_BROKEN", `QEMU does not run a machine, not even an emulated one: ${detail}`, {
    hint: qemuRemedy(),
    cause: error,
  });
}

/** Runs a probe in its own temporary folder. A failed probe leaves its logs in `stateDir`. */
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

/** The measurement is accurate to one decimal at most. */
const timeScale = (afterMs: number | undefined, unmeasured: number): number =>
  afterMs === undefined ? unmeasured : Math.max(1, Math.round((afterMs / KVM_REFERENCE_MS) * 10) / 10);

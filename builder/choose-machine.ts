/**
 * The default machine of stages (DESIGN D5): the VM if KVM works; else the sandbox, which is 20 times faster than an
 * emulated VM; the emulated VM only if the host refuses the sandbox.
 */

import { LivelabError } from "../base/livelab-error.js";
import { type AcceleratorRequest, type AcceleratorVerdict, decideAccelerator } from "../vm/accelerator/accelerator.js";
import { inspectKvmNode } from "../vm/accelerator/kvm-node.js";
import type { MachineKind } from "./machines/builder-machine.js";

export interface MachineRequest {
  readonly preference: "auto" | MachineKind;
  /** A named accelerator implies the VM. */
  readonly accelerator: AcceleratorRequest["preference"];
  /** Folder that caches the results of KVM trials. */
  readonly stateDir: string;
  /** A kernel to try KVM with. */
  readonly findKernel: () => Promise<string | undefined>;
  /** @throws LivelabError if the host refuses the sandbox */
  readonly assertSandbox: () => Promise<void>;
  readonly signal: AbortSignal;
  /** @default "/dev/kvm" */
  readonly kvmDevice?: string | undefined;
  /** Tries KVM and emulation. @default decideAccelerator */
  readonly decide?: ((request: AcceleratorRequest) => Promise<AcceleratorVerdict>) | undefined;
}

export interface MachineChoice {
  readonly kind: MachineKind;
  /** Reason of the choice, for messages; for "auto", the accelerator that a VM would use. */
  readonly reason: string;
}

/** @throws VmError KVM_UNUSABLE if KVM was named and cannot run a guest; before files are fetched or made */
export async function chooseMachine(request: MachineRequest): Promise<MachineChoice> {
  const { preference, accelerator } = request;
  if (accelerator === "kvm") await decide(request, "kvm");
  if (preference !== "auto") return { kind: preference, reason: "it was requested" };
  if (accelerator !== "auto") return { kind: "vm", reason: `${accelerator} was requested` };
  const kvm = await judgeKvm(request);
  if (kvm.works) return { kind: "vm", reason: kvm.reason };
  try {
    await request.assertSandbox();
    return { kind: "sandbox", reason: kvm.reason };
  } catch (error) {
    if (!(error instanceof LivelabError)) throw error;
    return { kind: "vm", reason: `${kvm.reason}, and ${error.message}` };
  }
}

async function decide(request: MachineRequest, preference: "auto" | "kvm"): Promise<AcceleratorVerdict> {
  const { findKernel, stateDir, signal, kvmDevice, decide = decideAccelerator } = request;
  return decide({ preference, kernelPath: await findKernel(), stateDir, signal, kvmDevice });
}

async function judgeKvm(request: MachineRequest): Promise<{ works: boolean; reason: string }> {
  const node = await inspectKvmNode(request.kvmDevice ?? "/dev/kvm");
  if (node.kind !== "open") return { works: false, reason: `emulation, because ${node.detail}` };
  try {
    const verdict = await decide(request, "auto");
    return { works: verdict.accelerator === "kvm", reason: verdict.reason };
  } catch (error) {
    if (!(error instanceof LivelabError) || error.kind !== "host") throw error;
    return { works: false, reason: error.message };
  }
}

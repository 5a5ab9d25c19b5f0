/**
 * Where stages run when nobody said (DESIGN D5): in the VM where KVM works; else in the sandbox, which is 20 times
 * faster than an emulated VM; in that only where the host refuses the sandbox.
 */

import { LivelabError } from "../base/livelab-error.js";
import { type AcceleratorVerdict, type AcceleratorWish, decideAccelerator } from "../vm/accelerator/accelerator.js";
import { inspectKvmNode } from "../vm/accelerator/kvm-node.js";
import type { MachineKind } from "./machines/builder-machine.js";

export interface MachineWish {
  readonly want: "auto" | MachineKind;
  /** An accelerator that is named means the VM. */
  readonly accelerator: AcceleratorWish["want"];
  /** Folder that keeps what was found out about KVM. */
  readonly stateDir: string;
  /** A kernel to try KVM with. */
  readonly findKernel: () => Promise<string | undefined>;
  /** @throws LivelabError when the sandbox cannot be had */
  readonly assertSandbox: () => Promise<void>;
  readonly signal: AbortSignal;
  /** @default "/dev/kvm" */
  readonly kvmDevice?: string | undefined;
  /** Tries KVM and emulation. @default decideAccelerator */
  readonly decide?: ((wish: AcceleratorWish) => Promise<AcceleratorVerdict>) | undefined;
}

export interface MachineChoice {
  readonly kind: MachineKind;
  /** Why, in words: for "auto", what a VM would run with. */
  readonly reason: string;
}

/** @throws VmError KVM_UNUSABLE when KVM was named and does not run a guest: before anything is fetched or made */
export async function chooseMachine(wish: MachineWish): Promise<MachineChoice> {
  const { want, accelerator } = wish;
  if (accelerator === "kvm") await decide(wish, "kvm");
  if (want !== "auto") return { kind: want, reason: "it was asked for" };
  if (accelerator !== "auto") return { kind: "vm", reason: `${accelerator} was asked for` };
  const kvm = await judgeKvm(wish);
  if (kvm.works) return { kind: "vm", reason: kvm.reason };
  try {
    await wish.assertSandbox();
    return { kind: "sandbox", reason: kvm.reason };
  } catch (error) {
    if (!(error instanceof LivelabError)) throw error;
    return { kind: "vm", reason: `${kvm.reason}, and ${error.message}` };
  }
}

async function decide(wish: MachineWish, want: "auto" | "kvm"): Promise<AcceleratorVerdict> {
  const { findKernel, stateDir, signal, kvmDevice, decide = decideAccelerator } = wish;
  return decide({ want, kernelPath: await findKernel(), stateDir, signal, kvmDevice });
}

async function judgeKvm(wish: MachineWish): Promise<{ works: boolean; reason: string }> {
  const node = await inspectKvmNode(wish.kvmDevice ?? "/dev/kvm");
  if (node.kind !== "open") return { works: false, reason: `emulation, because ${node.detail}` };
  try {
    const verdict = await decide(wish, "auto");
    return { works: verdict.accelerator === "kvm", reason: verdict.reason };
  } catch (error) {
    if (!(error instanceof LivelabError) || error.kind !== "host") throw error;
    return { works: false, reason: error.message };
  }
}

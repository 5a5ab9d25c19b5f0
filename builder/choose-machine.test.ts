import { suite } from "uvu";
import * as assert from "uvu/assert";
import { thrownBy } from "../fixtures/vm-deadline.js";
import type { AcceleratorRequest, AcceleratorVerdict } from "../vm/accelerator/accelerator.js";
import { VmError } from "../vm/vm-error.js";
import { BuilderError, InputError } from "./builder-error.js";
import { chooseMachine, type MachineRequest } from "./choose-machine.js";

const test = suite("choice of the builder machine");

const WORKS: AcceleratorVerdict = { accelerator: "kvm", reason: "a kernel ran under KVM", kvm: "works", timeScale: 1 };
const BROKEN: AcceleratorVerdict = {
  accelerator: "tcg",
  reason: "emulation, because KVM is broken",
  kvm: "broken",
  timeScale: 6,
};
/** A device that can be opened. */
const OPENS = "/dev/null";
const ABSENT = "/dev/no-kvm";

/** @returns the choice or the error, and the trials made for it */
async function choose(changes: Partial<MachineRequest>) {
  const tried: string[] = [];
  const request: MachineRequest = {
    preference: "auto",
    accelerator: "auto",
    stateDir: "/dev/null/state",
    findKernel: async () => "/boot/vmlinuz",
    signal: new AbortController().signal,
    kvmDevice: OPENS,
    ...changes,
    assertSandbox: async () => {
      tried.push("sandbox");
      await changes.assertSandbox?.();
    },
    decide: async (asked: AcceleratorRequest) => {
      tried.push(`${asked.preference} with ${asked.kernelPath}`);
      return (await changes.decide?.(asked)) ?? WORKS;
    },
  };
  return { choice: await chooseMachine(request).catch((error: unknown) => ({ error })), tried };
}

const refuse = (error: Error) => async (): Promise<never> => {
  throw error;
};

test("a named machine or accelerator is chosen without a trial", async () => {
  const named = await choose({ preference: "sandbox" });
  assert.equal(named, { choice: { kind: "sandbox", reason: "it was requested" }, tried: [] });
  assert.equal(await choose({ accelerator: "tcg" }), {
    choice: { kind: "vm", reason: "tcg was requested" },
    tried: [],
  });
  assert.is(((await choose({ preference: "sandbox", accelerator: "tcg" })).choice as { kind: string }).kind, "sandbox");
});

test("a named KVM that does not work is refused first, whatever machine is named", async () => {
  const unusable = new VmError("KVM_UNUSABLE", "KVM was requested, but it is broken");
  for (const preference of ["auto", "vm", "sandbox"] as const) {
    const { choice, tried } = await choose({ preference, accelerator: "kvm", decide: refuse(unusable) });
    assert.is((choice as { error: unknown }).error, unusable, preference);
    assert.equal(tried, ["kvm with /boot/vmlinuz"], preference);
  }
});

test("stages run in a VM if KVM works, and the sandbox is not tried", async () => {
  const { choice, tried } = await choose({});
  assert.equal(choice, { kind: "vm", reason: "a kernel ran under KVM" });
  assert.equal(tried, ["auto with /boot/vmlinuz"]);
});

test("stages run in the sandbox if KVM does not work, and the reason says how a VM would run", async () => {
  const { choice } = await choose({ decide: async () => BROKEN });
  assert.equal(choice, { kind: "sandbox", reason: BROKEN.reason });
});

test("no kernel is searched for if the KVM device is missing", async () => {
  const { choice, tried } = await choose({ kvmDevice: ABSENT });
  assert.equal(tried, ["sandbox"]);
  assert.is((choice as { kind: string }).kind, "sandbox");
  assert.match((choice as { reason: string }).reason, `emulation, because ${ABSENT} cannot be opened (ENOENT)`);
});

test("stages run in an emulated VM if neither KVM nor the sandbox works, and the choice names both reasons", async () => {
  const { choice } = await choose({
    decide: async () => BROKEN,
    assertSandbox: refuse(new BuilderError("NO_NAMESPACES", "the host forbids namespaces")),
  });
  assert.equal(choice, { kind: "vm", reason: `${BROKEN.reason}, and the host forbids namespaces` });
});

test("a host that cannot try KVM counts as one without KVM; other failures are thrown", async () => {
  const noQemu = new VmError("QEMU_NOT_FOUND", "qemu-system-x86_64 is not in the PATH");
  assert.equal((await choose({ decide: refuse(noQemu) })).choice, { kind: "sandbox", reason: noQemu.message });
  for (const error of [new InputError("UNAVAILABLE", "no mirror"), new TypeError("a defect")]) {
    const request = { findKernel: refuse(error), decide: undefined };
    assert.is(((await choose(request)).choice as { error?: unknown }).error, error);
  }
  const defect = new TypeError("a defect");
  const { choice } = await choose({ kvmDevice: ABSENT, assertSandbox: refuse(defect) });
  assert.is((choice as { error?: unknown }).error, defect);
});

test("an interrupt during the trial of KVM is thrown", async () => {
  const reason = new Error("livelab got SIGINT");
  const thrown = await thrownBy(
    chooseMachine({
      preference: "auto",
      accelerator: "auto",
      stateDir: "/dev/null/state",
      findKernel: async () => undefined,
      assertSandbox: async () => undefined,
      signal: AbortSignal.abort(reason),
      kvmDevice: OPENS,
      decide: async ({ signal }) => {
        signal.throwIfAborted();
        return WORKS;
      },
    }),
  );
  assert.is(thrown, reason);
});

test.run();

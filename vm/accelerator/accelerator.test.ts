/** Decisions without a probe; test/machine/accelerator.test.ts has those that start QEMU. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { requestIn } from "../../fixtures/accelerator-request.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { VmError } from "../vm-error.js";
import { decideAccelerator } from "./accelerator.js";

const test = suite("accelerator without a probe");

test(
  "gives emulation ample time when there is no kernel to measure with",
  within(5_000, async () => {
    await using dir = await TempDir.create("accel");
    const verdict = await decideAccelerator(requestIn(dir, { kernelPath: undefined }));
    assert.is(verdict.timeScale, 12);
  }),
);

test(
  "--accel kvm is refused at once on a host without KVM",
  within(2_000, async () => {
    await using dir = await TempDir.create("accel");
    const error = await thrownBy(decideAccelerator(requestIn(dir, { preference: "kvm" })));
    assert.instance(error, VmError);
    assert.is((error as VmError).code, "KVM_UNUSABLE");
    assert.is((error as VmError).kind, "host");
    assert.match(String((error as VmError).hint), "modprobe");
  }),
);

test.run();

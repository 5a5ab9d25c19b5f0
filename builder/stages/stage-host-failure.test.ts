import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentProgress } from "../../base/progress/progress.js";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { VmError } from "../../vm/vm-error.js";
import { SshError } from "../channel/ssh-connection.js";
import { openHome } from "../home/home.js";
import { runStage, type StageContext } from "./stage-run.js";

const test = suite("a stage whose machine the host ends");

/** Runs a stage whose connection is lost. @returns the error of runStage(), and whether the machine was kept */
async function lose(hostFailure: VmError | undefined): Promise<{ error: unknown; kept: boolean }> {
  await using dir = await TempDir.create("stage");
  let kept = false;
  const lost = (): Promise<never> => Promise.reject(new SshError("CONNECTION_LOST", "the connection is gone"));
  const machine = {
    ssh: { exec: lost, forwardFrom: lost },
    whyLost: async () => "is gone",
    hostFailure: async () => hostFailure,
    keepFailed: async () => {
      kept = true;
    },
    [Symbol.asyncDispose]: async () => {},
  };
  const context = {
    home: await openHome(dir.path),
    machines: { kind: "vm", timeScale: 1, begin: async () => machine },
    gateway: { servedBytes: 0 },
    material: { stageFolder: join(findProjectRoot(), "fixtures/stages"), lock: { profile: { epoch: 0 } } },
    stamp: "20260102T030405Z",
    proto: dir.path,
    progress: silentProgress,
  } as unknown as StageContext;
  const stage = { name: "toy", summary: "", sets: [], limitMinutes: 1 };
  const error = await thrownBy(
    silentProgress.step("toy", (step) => runStage(context, stage, "key", [], step, async () => true)),
  );
  return { error, kept };
}

test(
  "runStage throws the host's error unchanged, and keeps the stage's files",
  within(10_000, async () => {
    const byKvm = new VmError("KVM_FAILED", "KVM failed while the guest ran");
    assert.equal(await lose(byKvm), { error: byKvm, kept: true });
  }),
);

test(
  "runStage throws MACHINE_DIED if the host did not end the machine",
  within(10_000, async () => {
    const { error, kept } = await lose(undefined);
    assert.match(String(error), "the builder machine of stage toy is gone");
    assert.is((error as { code?: string }).code, "MACHINE_DIED");
    assert.is(kept, true);
  }),
);

test.run();

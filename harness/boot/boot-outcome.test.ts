import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nextAwaited } from "./boot-outcome.js";
import type { BootPlan } from "./boot-plan.js";
import { type MilestoneName, MilestoneRecorder } from "./milestones.js";

const test = suite("boot outcome");

const fromHeadnode = {
  medium: { kind: "ipxe", transport: "http", loaderDir: undefined },
  networking: { vnics: [{}] },
  image: { hashFiles: {} },
} as unknown as BootPlan;

/** What is awaited on the way to the login after these. */
function awaitedAfter(reached: readonly MilestoneName[], plan = fromHeadnode): string | undefined {
  const recorder = new MilestoneRecorder();
  for (const [atMs, name] of reached.entries()) recorder.record({ name, atMs, detail: "" });
  return nextAwaited(plan, recorder, "login")?.name;
}

test("awaits what comes after the last one, not what came before its turn", () => {
  assert.is(awaitedAfter([]), "ipxe-script");
  assert.is(awaitedAfter(["ipxe-script", "kernel"]), "live-boot-fetch");
  assert.is(awaitedAfter(["kernel", "networkd", "pivot"]), "login");
  assert.is(awaitedAfter(["login"]), undefined);
});

test("awaits no milestone that a later one implies", () => {
  assert.is(awaitedAfter(["ipxe-script", "live-boot-fetch", "hostid"]), "system-pool");
  const recorder = new MilestoneRecorder();
  recorder.record({ name: "live-boot-fetch", atMs: 1, detail: "" });
  assert.is(nextAwaited(fromHeadnode, recorder, "kernel"), undefined);
});

test("awaits nothing that is not on the boot's way", () => {
  const usb = { ...fromHeadnode, medium: { kind: "usb", path: "/x" }, networking: undefined } as const;
  assert.is(awaitedAfter([], usb), "kernel");
  assert.is(awaitedAfter(["pivot"], usb), "login");
});

test.run();

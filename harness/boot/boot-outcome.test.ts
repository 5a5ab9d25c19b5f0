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

/** The milestone that is awaited next on the way to the login. */
function awaitedAfter(reached: readonly MilestoneName[], plan = fromHeadnode): string | undefined {
  const recorder = new MilestoneRecorder();
  for (const [atMs, name] of reached.entries()) recorder.record({ name, atMs, detail: "" });
  return nextAwaited(plan, recorder, "login")?.name;
}

test("the next awaited milestone comes after the last one reached, also when that one came out of order", () => {
  assert.is(awaitedAfter([]), "ipxe-script");
  assert.is(awaitedAfter(["ipxe-script", "kernel"]), "live-boot-fetch");
  assert.is(awaitedAfter(["kernel", "networkd", "pivot"]), "login");
  assert.is(awaitedAfter(["login"]), undefined);
});

test("a milestone that a later one implies is not awaited", () => {
  assert.is(awaitedAfter(["ipxe-script", "live-boot-fetch", "hostid"]), "system-pool");
  const recorder = new MilestoneRecorder();
  recorder.record({ name: "live-boot-fetch", atMs: 1, detail: "" });
  assert.is(nextAwaited(fromHeadnode, recorder, "kernel"), undefined);
});

test("a milestone that is not on the boot's way is not awaited", () => {
  const usb = { ...fromHeadnode, medium: { kind: "usb", path: "/x" }, networking: undefined } as const;
  assert.is(awaitedAfter([], usb), "kernel");
  assert.is(awaitedAfter(["pivot"], usb), "login");
});

test.run();

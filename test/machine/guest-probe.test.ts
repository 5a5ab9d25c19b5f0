import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { within } from "../../fixtures/vm-deadline.js";
import { reset, say, writeKernel } from "../../fixtures/vm-guest-code.js";
import { type GuestProbeResult, probeGuest } from "../../vm/accelerator/guest-probe.js";

const test = suite("guest-probe");

/** Probes under emulation with a kernel made of `code`. */
async function probe(limitMs: number, ...code: readonly Buffer[]): Promise<GuestProbeResult> {
  await using dir = await TempDir.create("probe");
  const kernelPath = join(dir.path, "kernel");
  await writeKernel(kernelPath, ...code);
  const { signal } = new AbortController();
  return await probeGuest({ accelerator: "tcg", kernelPath, workDir: join(dir.path, "work"), limitMs, signal });
}

test(
  "tells how soon the kernel printed its first line",
  within(10_000, async () => {
    const result = await probe(8_000, say("ttyS1", "[    0.000000] Linux version 6\r\n"));
    assert.is(result.kind, "printed");
    assert.ok(result.kind === "printed" && result.afterMs > 0);
  }),
);

test(
  "does not take firmware, or another word of the kernel, for its first line",
  within(5_000, async () => {
    const result = await probe(700, say("ttyS0", "Linux version 6\r\n"), say("ttyS1", "early console\r\n"));
    assert.equal(result, { kind: "silent", detail: "no line from the kernel in 0.7 s" });
  }),
);

test(
  "does not wait for a kernel whose machine has ended",
  within(10_000, async () => {
    const result = await probe(9_000, reset);
    assert.equal(result, { kind: "silent", detail: "no line from the kernel before the guest rebooted" });
  }),
);

test.run();

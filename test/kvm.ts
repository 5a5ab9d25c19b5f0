/**
 * `npm run test:kvm`: proves how livelab uses KVM, on any host. QEMU emulates a processor with AMD's virtualisation, and
 * livelab runs in that machine as an ordinary user. It prints a line for each claim with its time, ends with
 * `N passed, N failed`, and exits with 0 only if all passed. The machine's logs and reports are in out/test-kvm/.
 * It needs out/latest, and takes 20 minutes on 2 processors without other work.
 */

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { formatDuration } from "../base/format.js";
import { isThere } from "../base/is-there.js";
import { findProjectRoot } from "../base/project-root.js";
import { whyNoNestedHost } from "../fixtures/nested-host/host-limits.js";
import { allClaims } from "./kvm/all-claims.js";
import { proveClaims } from "./kvm/prove-claims.js";
import { useTestTools } from "./runner/test-tools.js";

/** Exit status after Ctrl-C, as in shells. */
const INTERRUPTED = 130;

const root = findProjectRoot();
const workDir = join(root, "out/test-kvm");
const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function whyNot(): Promise<string | undefined> {
  if (!(await isThere(join(root, "out/latest/vmlinuz"))))
    return "out/latest has no image; build one: npm run build:hermetic";
  return whyNoNestedHost();
}

async function main(signal: AbortSignal): Promise<number> {
  const startedAt = performance.now();
  await useTestTools(signal);
  await rm(workDir, { recursive: true, force: true });
  const reason = await whyNot();
  if (reason !== undefined) print(`FAILED a nested host cannot run here: ${reason}`);
  const { passed, failed } =
    reason === undefined
      ? await proveClaims(allClaims, { workDir, print, signal })
      : { passed: 0, failed: allClaims.length };
  if (failed > 0 && reason === undefined) print(`\nconsoles, commands and reports: ${workDir}`);
  print(`\nin ${formatDuration(performance.now() - startedAt)}\n${passed} passed, ${failed} failed`);
  return passed > 0 && failed === 0 ? 0 : 1;
}

const interruption = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => interruption.abort());
try {
  process.exitCode = await main(interruption.signal);
} catch (error) {
  if (!interruption.signal.aborted) throw error;
  print("interrupted: some claims were not checked");
  process.exitCode = INTERRUPTED;
}

/**
 * The VM that makes the builder VM's root on a host without namespaces, until it makes the root: that a kernel starts its
 * initramfs, and how failures are reported. test/vm-build.ts lets it make a root, and compares that with the sandbox's.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LivelabError } from "../../base/livelab-error.js";
import type { Progress } from "../../base/progress/progress.js";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { qemuOf } from "../../fixtures/qemu-processes.js";
import { startRootVm } from "../../fixtures/root-vm-run.js";
import { linkHome } from "../../fixtures/toy-stage.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import { needsRoot, testUnless } from "../runner/skip-test.js";

const test = suite("root VM");

/** Work folders of machines. */
const workFolders = async (home: string): Promise<readonly string[]> =>
  (await readdir(join(home, "machines"))).filter((name) => name.startsWith("vm."));

/** Progress that calls `act` when a step shows a text. */
const actAt = (text: string, act: () => unknown): Progress => ({
  note: () => {},
  step: (_title, work) => work({ status: (line) => void (line.includes(text) && act()), result: () => {} }),
});

test("it boots from locked packages; if QEMU is killed while it makes the root, the error says so and nothing is left", async () => {
  await using dir = await TempDir.create("root-vm");
  const home = await linkHome(dir.path);
  const kill = async (): Promise<void> => {
    for (const pid of await qemuOf(home)) process.kill(pid, "SIGKILL");
  };
  const error = (await thrownBy(startRootVm(home, actAt("unpacking and configuring", kill)))) as LivelabError;
  assert.is(error.code, "MACHINE_DIED");
  assert.match(error.message, "the root VM ended: QEMU was killed by SIGKILL");
  assert.equal(await workFolders(home), []);
});

test("an abort while it makes the root ends it at once and leaves nothing", async () => {
  await using dir = await TempDir.create("root-vm");
  const home = await linkHome(dir.path);
  const abort = new AbortController();
  const progress = actAt("packages", () => abort.abort(new Error("enough")));
  const error = (await thrownBy(startRootVm(home, progress, abort.signal))) as Error;
  assert.is(error.message, "enough");
  assert.equal(await workFolders(home), []);
  assert.equal(await qemuOf(home), []);
});

const fullDisk = "a disk without room for its files is reported with the path";
testUnless(test, fullDisk, needsRoot("to mount the small file system that is filled"), async () => {
  await using dir = await TempDir.create("root-vm");
  const home = await linkHome(dir.path);
  // A file system that only this child sees, so that nothing is left when it ends.
  const { stdout } = await runProgram("unshare", [
    ...["--mount", "--propagation", "private", "sh", "-euc"],
    'mkdir -p "$1/machines"; mount -t tmpfs -o size=30m tmpfs "$1/machines"; exec "$2" "$3" "$1"',
    ...["sh", home, process.execPath, join(findProjectRoot(), "dist/fixtures/root-vm-run.js")],
  ]);
  const { code, message } = JSON.parse(stdout);
  assert.is(code, "HOST_DISK_FULL");
  assert.match(message, `no space left to write ${home}/machines/`);
});

test.run();

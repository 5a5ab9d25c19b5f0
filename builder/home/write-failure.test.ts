/** Errors of the builder's writers for a path that cannot be written and for a full disk. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentStep } from "../../base/progress/progress.js";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { makeDeb } from "../../fixtures/deb.js";
import { localRootBuilder } from "../../fixtures/local-ssh.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import { needsRoot, testUnless } from "../../test/runner/skip-test.js";
import { BuilderError } from "../builder-error.js";
import { extractFile } from "../machines/deb-archive.js";
import { keepArtifact } from "../stages/artifacts.js";
import { LastLines, runScript } from "../stages/script-run.js";
import { Gateway } from "../store/gateway.js";
import { writeFailure } from "./write-failure.js";

const test = suite("write failures");

test("writeFailure() returns an error that is not of a system call unchanged", () => {
  const error = new TypeError("a defect");
  assert.is(writeFailure("/x", error), error);
});

/** Each writer, with `target` as its file. */
const writers = (dir: string, target: string): Readonly<Record<string, () => Promise<unknown>>> => ({
  "a script's log": () =>
    runScript(localRootBuilder, {
      gateway: new Gateway(),
      name: "print",
      words: [join(dir, "print.sh")],
      environment: {},
      logFile: target,
      step: silentStep,
      tail: new LastLines(1),
      signal: AbortSignal.timeout(5_000),
    }),
  "an artifact": () => keepArtifact(localRootBuilder.ssh, join(dir, "print.sh"), target),
  "a file of a .deb": async () => extractFile(await makeDeb(dir, "file", "content"), "./file", target),
});

test("each writer rejects a path below a file, with that path, and the process does not end", async () => {
  await using dir = await TempDir.create("write");
  await writeFile(join(dir.path, "print.sh"), "echo printed");
  await writeFile(join(dir.path, "file"), "");
  for (const [name, write] of Object.entries(writers(dir.path, join(dir.path, "file/target")))) {
    const error = (await thrownBy(write())) as BuilderError;
    assert.instance(error, BuilderError, name);
    assert.equal([error.code, error.kind], ["NOT_WRITABLE", "host"], name);
    assert.match(error.message, join(dir.path, "file/target"), name);
    assert.ok(error.hint, name);
  }
});

test("each writer rejects a folder in place of the file, with its path", async () => {
  await using dir = await TempDir.create("write");
  await writeFile(join(dir.path, "print.sh"), "echo printed");
  const target = join(dir.path, "folder");
  await mkdir(join(target, "full"), { recursive: true });
  for (const [name, write] of Object.entries(writers(dir.path, target))) {
    const error = (await thrownBy(write())) as BuilderError;
    assert.equal([error.code, error.kind], ["NOT_WRITABLE", "host"], name);
    assert.match(error.message, target, name);
  }
});

const fullDisk =
  "each writer reports a full disk with path and remedy, and leaves no partial file under the final name";
testUnless(test, fullDisk, needsRoot("to mount the small file system"), fillDisk);

async function fillDisk(): Promise<void> {
  await using dir = await TempDir.create("write");
  const full = join(dir.path, "full");
  await mkdir(full);
  const { stdout } = await runProgram(
    "unshare",
    [
      ...["--mount", "--propagation", "private", "sh", "-euc"],
      'mount -t tmpfs -o size=1m tmpfs "$1"; exec "$2" "$3" "$1"',
      ...["sh", full, process.execPath, join(findProjectRoot(), "dist/fixtures/full-disk-writes.js")],
    ],
    { env: { ...process.env, TMPDIR: dir.path } },
  );
  const { thrown, entries } = JSON.parse(stdout);
  for (const [name, file] of Object.entries({ log: "log", artifact: "artifact", deb: "file" })) {
    const { code, kind, message, hint } = thrown[name] ?? {};
    assert.equal([code, kind], ["HOST_DISK_FULL", "host"], name);
    assert.match(message, join(full, file), name);
    assert.match(hint, "livelab gc", name);
  }
  assert.equal(entries, ["log"]); // the log fills the disk before the others write
}

test.run();

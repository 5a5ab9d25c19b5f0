import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import type { StageError } from "../builder-error.js";
import type { SshConnection } from "../channel/ssh-connection.js";
import { copyOverDisk, copyOverSsh, OUTBOX_BYTES } from "./copy-out.js";

const test = suite("copying out of a machine");
const never = new AbortController().signal;
type Shell = Pick<SshConnection, "exec">;

/** This host in the role of the machine. The disk is a file: it does not need direct writes, and dd must not truncate it. */
const here: Shell = {
  exec: async (command, { stdout } = {}) => {
    const words = command.replace("conv=sync oflag=direct", "conv=sync,notrunc");
    const child = spawn("sh", ["-c", words], { stdio: ["ignore", "pipe", "pipe"] });
    const out: Buffer[] = [];
    let stderr = "";
    if (stdout === undefined) child.stdout.on("data", (chunk) => out.push(chunk));
    else child.stdout.pipe(stdout as Writable, { end: false });
    child.stderr.on("data", (chunk) => (stderr += chunk));
    const [status] = await once(child, "close");
    return { status, killedBy: undefined, stdout: Buffer.concat(out), stderr };
  },
};

interface Place {
  readonly source: string;
  readonly target: string;
  readonly disk: { readonly path: string; readonly inside: string };
}

async function makePlace(dir: string): Promise<Place> {
  const disk = join(dir, "disk");
  for (const name of ["it's", "target"]) await mkdir(join(dir, name));
  await writeFile(disk, "");
  await truncate(disk, OUTBOX_BYTES);
  return { source: join(dir, "it's"), target: join(dir, "target"), disk: { path: disk, inside: disk } };
}

const digestOf = async (file: string): Promise<string> =>
  createHash("sha256")
    .update(await readFile(file))
    .digest("hex");

test("copyOverDisk copies files of any size, empty files, and names with any characters", async () => {
  await using dir = await TempDir.create("copy-out");
  const { source, target, disk } = await makePlace(dir.path);
  const half = OUTBOX_BYTES / 2;
  await mkdir(join(source, "sub"));
  const sizes: [name: string, bytes: number][] = [
    ["empty", 0],
    ["one", 1],
    ["sub/whole piece", half],
    ["two and a byte", 2 * half + 1],
    ["line\nbreak 'and\" quotes", 100_000],
  ];
  for (const [name, bytes] of sizes) await writeFile(join(source, name), randomBytes(bytes));
  const copied = await copyOverDisk(here, disk, source, target, never);
  assert.is(copied.length, sizes.length);
  for (const { path, bytes, sha256 } of copied) {
    assert.is(bytes, new Map(sizes).get(path), path);
    assert.is(sha256, await digestOf(join(source, path)), path);
  }
  for (const [name, bytes] of sizes) {
    assert.is((await stat(join(target, name))).size, bytes, name);
    assert.is(await digestOf(join(target, name)), await digestOf(join(source, name)), name);
  }
  assert.is((await readdir(target)).length, sizes.length);
});

test("copyOverDisk refuses file names that lead outside the target folder", async () => {
  await using dir = await TempDir.create("copy-out");
  const { target, disk } = await makePlace(dir.path);
  for (const line of ["1 2 ../outside", "1 2 sub/../../outside", "1 2 ", "1 no-number x", "no number"]) {
    const liar: Shell = {
      exec: async () => ({ status: 0, killedBy: undefined, stdout: Buffer.from(`${line}\0`), stderr: "" }),
    };
    const error = (await thrownBy(copyOverDisk(liar, disk, "/image", target, never))) as StageError;
    assert.is(error.code, "STAGE_OUTPUT", line);
    assert.match(error.message, JSON.stringify(line).slice(1, -1));
  }
  assert.equal(await readdir(target), []);
});

for (const [way, copy] of [
  ["copyOverDisk", ({ source, target, disk }: Place) => copyOverDisk(here, disk, `${source}/none`, target, never)],
  ["copyOverSsh", ({ source, target }: Place) => copyOverSsh(here, `${source}/none`, target, never)],
] as const) {
  test(`${way} reports a missing folder with the machine's own error message`, async () => {
    await using dir = await TempDir.create("copy-out");
    const error = (await thrownBy(copy(await makePlace(dir.path)))) as StageError;
    assert.is(error.code, "STAGE_OUTPUT");
    assert.match(error.message, /^cannot copy .*none out of the builder machine: .*No such file or directory/);
  });
}

test("an aborted copy fails with the reason of its signal", async () => {
  await using dir = await TempDir.create("copy-out");
  const { source, target, disk } = await makePlace(dir.path);
  await writeFile(join(source, "zeros"), Buffer.alloc(OUTBOX_BYTES));
  const reason = new Error("it took too long");
  const abort = new AbortController();
  const slow: Shell = {
    exec: async (command, options) => {
      // The second piece is sent while the first is received.
      if (command.includes("seek=64")) setImmediate(() => abort.abort(reason));
      return here.exec(command, options);
    },
  };
  assert.is(await thrownBy(copyOverDisk(slow, disk, source, target, abort.signal)), reason);
});

test.run();

import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { thrownBy } from "../fixtures/vm-deadline.js";
import { ProgramError, runProgram, startProgram } from "./run-program.js";
import { explainSystemError } from "./system-error.js";
import { TempDir } from "./temp-dir.js";

const test = suite("programs of the host");

const sh = (script: string, options?: Parameters<typeof runProgram>[2]) => runProgram("sh", ["-c", script], options);
const failureOf = async (work: Promise<unknown>): Promise<ProgramError> => {
  const error = await thrownBy(work);
  assert.instance(error, ProgramError, String(error));
  return error as ProgramError;
};

test("runProgram() returns stdout and stderr unchanged, including the last newline", async () => {
  assert.equal(await sh("echo out; echo err >&2"), { stdout: "out\n", stderr: "err\n" });
});

test("a program gets the given stdin, and an empty one by default", async () => {
  assert.is((await runProgram("cat", [], { stdin: "a\nb" })).stdout, "a\nb");
  assert.is((await runProgram("cat")).stdout, "");
  await runProgram("true", [], { stdin: "x".repeat(1_000_000) }); // it exits without reading
});

test("a given environment replaces the whole one, and no shell expands arguments", async () => {
  const env = { PATH: process.env["PATH"], ONLY: "this one" };
  const { stdout } = await runProgram("env", [], { env });
  assert.equal(stdout.trimEnd().split("\n").sort(), [`ONLY=this one`, `PATH=${env.PATH}`]);
  assert.is((await runProgram("printf", ["%s", "$HOME; `id`"])).stdout, "$HOME; `id`");
});

test("a ProgramError has status and output, and its message says how the program ended and why", async () => {
  const failed = await failureOf(sh("echo out; echo why >&2; exit 3"));
  assert.is(failed.message, "sh ended with status 3: why");
  assert.equal([failed.status, failed.stdout, failed.stderr], [3, "out\n", "why\n"]);
  const killed = await failureOf(sh("kill -9 $$"));
  assert.equal([killed.message, killed.status, killed.timedOut], ["sh was killed by SIGKILL", undefined, false]);
});

test("the error names a missing program, one that is not executable and a missing folder", async () => {
  const missing = await failureOf(runProgram("livelab-none"));
  assert.is(missing.message, "livelab-none did not start: spawn livelab-none ENOENT");
  assert.is((missing.cause as NodeJS.ErrnoException).code, "ENOENT");
  assert.match((await failureOf(runProgram("/etc/passwd"))).message, "EACCES");
  assert.match((await failureOf(runProgram("true", [], { cwd: "/livelab-none" }))).message, "/livelab-none");
  const tooLong = await failureOf(runProgram("true", ["x".repeat(2 ** 18)])); // longer than MAX_ARG_STRLEN of execve(2)
  assert.equal([tooLong.message, tooLong.stdout, tooLong.stderr], ["true did not start: spawn E2BIG", "", ""]);
  const cause = Object.assign(new Error("spawn sh EAGAIN"), { code: "EAGAIN", syscall: "spawn sh" });
  const result = { stdout: "", stderr: "", status: undefined, timedOut: false, cause };
  assert.match(explainSystemError(new ProgramError("sh", "did not start", result))?.message ?? "", "processes");
});

test("the limit ends a program, also one that ignores SIGTERM or whose child holds its output open", async () => {
  await using dir = await TempDir.create("run-program");
  const fifo = join(dir.path, "fifo");
  await runProgram("mkfifo", [fifo]);
  const ignores = 'trap "" TERM; echo ready; while :; do sleep 0.1; done';
  for (const script of ["exec sleep 60", ignores, `cat ${fifo} & exec sleep 60`]) {
    const failed = await failureOf(sh(script, { limitMs: 200 }));
    assert.match(failed.message, /^sh did not end in 0\.2 s/);
    assert.equal([failed.timedOut, failed.status], [true, undefined]);
  }
  await writeFile(fifo, ""); // the child waits for a writer and ends now
});

test("runProgram() throws the reason of a signal aborted before or during the run", async () => {
  const reason = new Error("interrupted");
  assert.is(await thrownBy(sh("exec sleep 60", { signal: AbortSignal.abort(reason) })), reason);
  const controller = new AbortController();
  const running = thrownBy(sh("exec sleep 60", { signal: controller.signal, limitMs: 60_000 }));
  setTimeout(() => controller.abort(reason), 50);
  assert.is(await running, reason);
});

test("endless output is cut off, and is a failure", async () => {
  assert.match((await failureOf(runProgram("yes"))).message, /^yes printed more than \d+ characters/);
});

test("a started program has pipes, reports its end, and is killed when it is disposed of", async () => {
  let exited: Promise<{ status: number | undefined; stderr: string }>;
  {
    await using cat = await startProgram("cat", []);
    cat.process.stdin?.write("there\n");
    const [chunk] = await once(cat.process.stdout as NodeJS.ReadableStream, "data");
    assert.is(String(chunk), "there\n");
    exited = cat.exited;
  }
  assert.is((await exited).status, undefined);
  await using failed = await startProgram("sh", ["-c", "echo why >&2; exit 3"]);
  const { status, stderr } = await failed.exited;
  assert.equal([status, stderr], [3, "why\n"]);
  await using missing = await startProgram("livelab-none", []);
  assert.match(String((await missing.exited).cause), "ENOENT");
});

test.run();

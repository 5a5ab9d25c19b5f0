import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "./project-root.js";

const test = suite("lost output");

const PRELUDE = `
  import { watchOutput } from ${JSON.stringify(join(findProjectRoot(), "dist/base/lost-output.js"))};
  watchOutput({ program: "prog", onLost: (error) => process.stderr.write("lost, reader gone: " + error.readerGone + "\\n") });
`;

/**
 * Runs a program in bash with redirections. It prints the status last, because a pipe into a reader hides it.
 * @returns stderr and the status
 */
async function run(program: string, redirections: string): Promise<{ stderr: string; status: number }> {
  const child = spawn(
    "bash",
    [
      "-c",
      `"$1" --input-type=module -e "$2" ${redirections}; exit "\${PIPESTATUS[0]}"`,
      "bash",
      process.execPath,
    ].concat(PRELUDE + program),
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const [status] = await once(child, "close");
  return { stderr, status };
}

const WRITES = `process.stdout.write("result\\n");`;
/** Writes until stdout is lost, then a little more. */
const WRITES_ON = `
  let more = 20;
  process.stdout.on("error", () => {});
  const timer = setInterval(() => {
    process.stdout.write("result\\n".repeat(1000));
    if (process.stdout.errored !== null || process.stdout.destroyed) more -= 1;
    if (more === 0) clearInterval(timer);
  }, 1);`;

test("a result that does not fit on a full device gives a message and status 3, not a stack", async () => {
  const { stderr, status } = await run(WRITES, ">/dev/full");
  assert.is(status, 3);
  assert.match(stderr, "prog: cannot write to standard output: no space left on device\n");
  assert.match(stderr, "prog: try: ");
  assert.match(stderr, "lost, reader gone: false");
  assert.not.match(stderr, "    at ");
});

test("lost output does not replace another exit status", async () => {
  assert.is((await run(`${WRITES} process.exitCode = 2;`, ">/dev/full")).status, 2);
  assert.is((await run(`${WRITES} process.exitCode = 1;`, "2>/dev/full >/dev/full")).status, 1);
});

test("a reader that exits is reported to the caller once, and is not a failure", async () => {
  const { stderr, status } = await run(WRITES_ON, "| head -n 1");
  assert.is(status, 0);
  assert.is(stderr, "lost, reader gone: true\n");
});

test("lost messages on stderr change nothing", async () => {
  const complains = `for (let i = 0; i < 100; i += 1) process.stderr.write("message\\n"); ${WRITES} process.exitCode = 5;`;
  for (const redirections of ["2>/dev/full", "2> >(exec true)", "2>&-", "<&- >&- 2>&-", "2>&1 | true"]) {
    assert.is((await run(complains, redirections)).status, 5, redirections);
  }
});

test.run();

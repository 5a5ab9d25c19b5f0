import { tmpdir } from "node:os";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { reportError } from "./error-report.js";

const test = suite("reports of errors");

/** Reports an error. @returns the exit status and what was written to stderr */
function reported(error: unknown): { readonly status: number; readonly text: string } {
  const { write } = process.stderr;
  let text = "";
  process.stderr.write = (chunk: string | Uint8Array): boolean => {
    text += String(chunk);
    return true;
  };
  try {
    return { status: reportError(error, new AbortController().signal), text };
  } finally {
    process.stderr.write = write;
  }
}

const systemError = (code: string, syscall: string): Error =>
  Object.assign(new Error(`${code}: it failed, ${syscall}`), { code, syscall });

test("a full disk is an error of the host, and the remedy names the temp folder", () => {
  const { status, text } = reported(systemError("ENOSPC", "write"));
  assert.is(status, 3);
  assert.match(text, "a disk is full: ENOSPC");
  assert.match(text, `LIVELAB_HOME or the temp folder ${tmpdir()}\n`);
});

test("a working folder that is gone is an error of the host, without a stack", () => {
  const { status, text } = reported(systemError("ENOENT", "uv_cwd"));
  assert.is(status, 3);
  assert.match(text, /^livelab: the working folder no longer exists\nlivelab: try: .*\n$/);
});

test.run();

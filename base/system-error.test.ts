import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UsageError } from "./livelab-error.js";
import { explainSystemError, refusalReason } from "./system-error.js";

const test = suite("errors of the host");

const systemError = (code: string, syscall = "open"): Error =>
  Object.assign(new Error(`${code}: it failed, ${syscall} '/a'`), { code, syscall });

test("what a process runs out of is explained with the remedy, whatever wraps it", () => {
  for (const [error, message, hint] of [
    [systemError("EMFILE"), /may not open more files \(the limit is \d+\): EMFILE: .*'\/a'/, "ulimit -n"],
    [systemError("ENFILE"), /this host may not open more files: ENFILE/, "sysctl fs.file-max"],
    [systemError("EAGAIN", "spawn unshare"), /may not start more processes.*: EAGAIN: .*spawn unshare/, "ulimit -u"],
    [systemError("ENOMEM"), /no memory left: ENOMEM/, "memory"],
  ] as const) {
    const wrapped = new UsageError("ANY", "the folder cannot be read", { hint: "check its owner", cause: error });
    for (const each of [error, wrapped, new Error("outer", { cause: wrapped })]) {
      const { message: told, hint: remedy } = explainSystemError(each) ?? { message: "", hint: "" };
      assert.match(told, message);
      assert.match(remedy, hint);
    }
  }
});

test("what a folder or disk refuses is explained unless an error of livelab's has done so", () => {
  for (const code of ["EROFS", "EIO", "ENAMETOOLONG"]) {
    const error = systemError(code);
    assert.match(explainSystemError(error)?.message ?? "", code);
    assert.is(explainSystemError(new UsageError("ANY", "not writable", { cause: error })), undefined);
  }
});

test("other errors, and a chain of causes without end, are left to others", () => {
  const circle = new Error("a circle");
  circle.cause = circle;
  for (const error of [systemError("ENOENT"), systemError("EAGAIN", "read"), circle, "text", undefined]) {
    assert.is(explainSystemError(error), undefined);
  }
});

test("why a path or a write is refused is said in words, and nothing is said of other errors", () => {
  assert.is(refusalReason(systemError("EACCES")), "permission denied");
  assert.is(refusalReason(systemError("ENOSPC", "write")), "no space left on device");
  for (const other of [systemError("EMFILE"), systemError("ENOMEM"), new Error("EACCES")]) {
    assert.is(refusalReason(other), undefined);
  }
});

test.run();

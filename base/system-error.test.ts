import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UsageError } from "./livelab-error.js";
import { explainSystemError, refusalReason } from "./system-error.js";

const test = suite("errors of the host");

const systemError = (code: string, syscall = "open"): Error =>
  Object.assign(new Error(`${code}: it failed, ${syscall} '/a'`), { code, syscall });

test("an exhausted resource and a lost working folder are explained with a hint, whatever error wraps it", () => {
  for (const [error, message, hint] of [
    [systemError("EMFILE"), /cannot open more files \(the limit is \d+\): EMFILE: .*'\/a'/, "ulimit -n"],
    [systemError("ENFILE"), /this host cannot open more files: ENFILE/, "sysctl fs.file-max"],
    [systemError("EAGAIN", "spawn unshare"), /cannot start more processes.*: EAGAIN: .*spawn unshare/, "ulimit -u"],
    [systemError("ENOMEM"), /no memory left: ENOMEM/, "memory"],
    [systemError("ENOENT", "uv_cwd"), /^the working folder no longer exists$/, "cd"],
  ] as const) {
    const wrapped = new UsageError("ANY", "the folder cannot be read", { hint: "check its owner", cause: error });
    for (const each of [error, wrapped, new Error("outer", { cause: wrapped })]) {
      const { message: explained, hint: remedy } = explainSystemError(each) ?? { message: "", hint: "" };
      assert.match(explained, message);
      assert.match(remedy, hint);
    }
  }
});

test("an error of a folder or disk is explained unless a LivelabError wraps it", () => {
  for (const code of ["EROFS", "EIO", "ENAMETOOLONG"]) {
    const error = systemError(code);
    assert.match(explainSystemError(error)?.message ?? "", code);
    assert.is(explainSystemError(new UsageError("ANY", "not writable", { cause: error })), undefined);
  }
});

test("other errors and an endless chain of causes are not explained", () => {
  const circle = new Error("a circle");
  circle.cause = circle;
  for (const error of [systemError("ENOENT"), systemError("EAGAIN", "read"), circle, "text", undefined]) {
    assert.is(explainSystemError(error), undefined);
  }
});

test("refusalReason() has words for refused paths and writes, and none for other errors", () => {
  assert.is(refusalReason(systemError("EACCES")), "permission denied");
  assert.is(refusalReason(systemError("ENOSPC", "write")), "no space left on device");
  for (const other of [systemError("EMFILE"), systemError("ENOMEM"), new Error("EACCES")]) {
    assert.is(refusalReason(other), undefined);
  }
});

test.run();

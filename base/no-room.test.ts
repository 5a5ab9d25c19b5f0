import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isDiskFullError, isDiskFullText } from "./no-room.js";

const test = suite("disks without room");

test("a full disk and a used up quota are no room, in errors and in words; other troubles are not", () => {
  for (const code of ["ENOSPC", "EDQUOT"])
    assert.ok(isDiskFullError(Object.assign(new Error("write"), { code })), code);
  for (const other of [Object.assign(new Error("write"), { code: "EIO" }), new Error("ENOSPC"), undefined])
    assert.not.ok(isDiskFullError(other));
  for (const text of [
    "tar: chroot/usr: Cannot write: No space left on device",
    "the host could not write the guest's disk /home/me/pool.raw: Disk quota exceeded",
    "Error: EDQUOT: disk quota exceeded, write",
    "npm error code ENOSPC",
  ])
    assert.ok(isDiskFullText(text), text);
  for (const text of ["Input/output error", "no space", "ENOSPCX"]) assert.not.ok(isDiskFullText(text), text);
});

test.run();

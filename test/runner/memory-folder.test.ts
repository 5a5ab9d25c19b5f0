import { suite } from "uvu";
import * as assert from "uvu/assert";
import { memoryFolder, runsPrograms } from "./memory-folder.js";

const test = suite("the memory folder of unit tests");

test("is a tmpfs at /dev/shm that lets programs run; the mount on top counts", () => {
  const good = "tmpfs /dev/shm tmpfs rw,nosuid,nodev,inode64 0 0";
  const closed = "shm /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=65536k 0 0";
  assert.ok(runsPrograms(`/dev/vda / ext4 rw,noexec 0 0\n${good}\n`));
  for (const mounts of ["", closed, `${good}\n${closed}`, "/dev/vdb /dev/shm ext4 rw 0 0", "tmpfs /run tmpfs rw 0 0"]) {
    assert.not.ok(runsPrograms(mounts), mounts);
  }
});

test("is not used in place of a TMPDIR that the user has chosen", async () => {
  assert.is(await memoryFolder({ TMPDIR: "/var/tmp" }), undefined);
});

test.run();

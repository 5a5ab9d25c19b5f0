import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "./temp-dir.js";
import { describeUser, passwdEntryOf } from "./user-name.js";

const test = suite("user names");

test("describeUser() uses /etc/passwd, and a number for a user without an entry or a host without the file", async () => {
  await using dir = await TempDir.create("passwd");
  const passwd = join(dir.path, "passwd");
  await writeFile(passwd, "# a comment\nroot:x:0:0:root:/root:/bin/sh\n\nme:x:1000:1000::/home/me:\nbroken:x\n");
  assert.is(describeUser(0, passwd), "root (uid 0)");
  assert.is(describeUser(1234, passwd), "uid 1234");
  assert.equal(passwdEntryOf(1000, passwd), { name: "me", home: "/home/me" });
  assert.is(passwdEntryOf(10, passwd), undefined);
  assert.is(describeUser(0, join(dir.path, "none")), "uid 0");
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { remedyFor } from "./namespace-check.js";

const test = suite("namespace check");

test("remedyFor() in a user namespace with fewer than 65536 ids advises another namespace, not more ids in /etc/subuid", () => {
  const ids = { tried: "ids", reason: "chown: changing ownership of 'upper/file': Invalid argument" };
  const oneId = "         0       1000          1\n";
  assert.match(remedyFor(ids, true, oneId), "unshare --map-auto --map-root-user");
  assert.not.match(remedyFor(ids, true, oneId), "usermod");
  for (const uidMap of [
    "         0          0 4294967295\n",
    "         0       1000          1\n         1     100000      65536\n",
  ]) {
    assert.match(remedyFor(ids, false, uidMap), "usermod --add-subuids");
  }
});

test.run();

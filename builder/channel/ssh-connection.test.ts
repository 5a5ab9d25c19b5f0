import { suite } from "uvu";
import * as assert from "uvu/assert";
import { generateSshKeyPair } from "./ssh-connection.js";

const test = suite("SSH connection");

test("generateSshKeyPair makes readable keys, and never the same key twice", () => {
  // It throws on an unreadable key. 1000 keys practically always include a fault that occurs once in 200.
  const keys = new Set(Array.from({ length: 1000 }, () => generateSshKeyPair().publicKey));
  assert.is(keys.size, 1000);
  for (const key of keys) assert.match(key, /^ecdsa-sha2-nistp256 [A-Za-z0-9+/]+=*$/);
});

test.run();

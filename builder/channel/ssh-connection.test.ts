import { suite } from "uvu";
import * as assert from "uvu/assert";
import { generateSshKeyPair } from "./ssh-connection.js";

const test = suite("SSH connection");

test("every key that it makes can be read, and no two are the same", () => {
  // It throws for one that cannot; 1000 would have met a fault of one in 200 for certain.
  const keys = new Set(Array.from({ length: 1000 }, () => generateSshKeyPair().publicKey));
  assert.is(keys.size, 1000);
  for (const key of keys) assert.match(key, /^ecdsa-sha2-nistp256 [A-Za-z0-9+/]+=*$/);
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nicTagsOf, parseNicTag } from "./nic-tag.js";

const test = suite("NIC tag");
const boot = "52:54:00:99:00:38";
const second = "52:54:00:99:00:3a";

test("a tag without a MAC belongs to the boot NIC, which comes first", () => {
  const given = ["storage=52:54:00:99:00:3A", "mgmt", "external=52:54:00:99:00:3a", `mgmt2=${boot}`].map(parseNicTag);
  assert.equal(nicTagsOf(given, boot).nics, [
    { mac: boot, tags: ["mgmt", "mgmt2"] },
    { mac: second, tags: ["storage", "external"] },
  ]);
});

for (const text of [
  "",
  "=52:54:00:99:00:38",
  "a b",
  "a-b",
  "a/1",
  "a=",
  "a=b",
  "a=53:54:00:99:00:38",
  "x".repeat(32),
]) {
  test(`"${text}" is rejected`, () => {
    try {
      parseNicTag(text);
      assert.unreachable();
    } catch (error) {
      const { code, message } = error as { code: string; message: string };
      assert.is(`${code}: ${message}`, `BAD_NIC_TAG: "${text}" is not a NIC tag`);
    }
  });
}

test.run();

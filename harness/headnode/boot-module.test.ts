import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkBootModules, parseBootModule } from "./boot-module.js";

const test = suite("boot module");

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    const { code, message, hint } = error as { code: string; message: string; hint?: string };
    assert.ok(hint);
    return `${code}: ${message}`;
  }
  return "not refused";
}

test("the path ends at the first =, and the file may contain further ones", () => {
  assert.equal(parseBootModule("etc/modprobe.d/x.conf=./a=b c"), { path: "etc/modprobe.d/x.conf", file: "./a=b c" });
});

for (const [text, why] of [
  ["x.conf", "it has no ="],
  ["x.conf=", "it names no file"],
  ["=x", 'its path "" has characters other than'],
  ["a b=x", 'its path "a b" has characters other than'],
  ["a\nboot=x", "has characters other than"],
  ["\x24{net0/mac}=x", "has characters other than"],
  ["a#b=x", "has characters other than"],
  ["/etc/x=x", "does not stay in the server's folder"],
  ["a/../../x=x", "does not stay in the server's folder"],
  ["./x=x", "does not stay in the server's folder"],
  ["a//x=x", "does not stay in the server's folder"],
  ["a/=x", "does not stay in the server's folder"],
  ["networking.json=x", "booter writes networking.json itself"],
  ["networking.json.hash=x", "booter writes networking.json.hash itself"],
] as const) {
  test(`${JSON.stringify(text)} is rejected with the reason`, () => {
    const said = refusal(() => parseBootModule(text));
    assert.ok(said.startsWith(`BAD_BOOT_MODULE: ${JSON.stringify(text)} is not a boot module: `), said);
    assert.match(said, why);
  });
}

test("two modules at one path are rejected, and so is a module whose path is the folder of another", () => {
  assert.match(
    refusal(() => checkBootModules(["a", "b", "a"])),
    /module a is given twice$/,
  );
  for (const paths of [
    ["a", "a/b"],
    ["a/b", "a"],
  ]) {
    // biome-ignore format: pairs
    assert.match(refusal(() => checkBootModules(paths)), /cannot be in one folder/); // biome-ignore format: one claim
  }
  checkBootModules(["a", "ab", "a.b", "c/d", "c/e"]);
});

test.run();

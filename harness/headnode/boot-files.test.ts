import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseNetworkingFile } from "../cn-files/networking-json.js";
import { bootFilesOf } from "./boot-files.js";

const test = suite("boot files");

test("networking.json and its hash come first, then modules by name, those in folders after those above them", () => {
  const networking = parseNetworkingFile("n.json", Buffer.from("{}"));
  const paths = ["etc/z/1", "z.conf", "etc/b", "a-c/y", "a/z", "A.conf", "etc/a"];
  const files = bootFilesOf(
    networking,
    paths.map((path) => ({ path, bytes: Buffer.from(path) })),
  );
  assert.equal(
    [...files.keys()],
    ["networking.json", "networking.json.hash", "A.conf", "z.conf", "a/z", "a-c/y", "etc/a", "etc/b", "etc/z/1"],
  );
  assert.is(files.get("networking.json.hash")?.toString(), networking.sha1);
  assert.is(files.get("etc/z/1")?.toString(), "etc/z/1");
});

test("a CN without networking.json has only its modules", () => {
  assert.equal([...bootFilesOf(undefined, [{ path: "a", bytes: Buffer.from("x") }]).keys()], ["a"]);
});

test.run();

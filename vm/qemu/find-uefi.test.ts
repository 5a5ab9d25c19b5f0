import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { findUefi } from "./find-uefi.js";

const test = suite("find UEFI");

test("findUefi returns the first pair of which both files exist", async () => {
  await using dir = await TempDir.create("uefi");
  const [code, vars] = [join(dir.path, "code"), join(dir.path, "vars")];
  for (const file of [code, vars]) await writeFile(file, "x");
  assert.equal(
    await findUefi([
      [code, join(dir.path, "missing")],
      [code, vars],
    ]),
    { kind: "uefi", codePath: code, varsTemplatePath: vars },
  );
});

test("the error of findUefi is of kind host, and names the searched paths and the command that installs OVMF", async () => {
  const error = await findUefi([["/nonexistent/code", "/nonexistent/vars"]]).catch((thrown) => thrown);
  assert.is(`${error.kind} ${error.code}`, "host UEFI_NOT_FOUND");
  assert.match(error.message, "/nonexistent/code");
  assert.match(error.hint, "apt-get install ovmf");
});

test.run();

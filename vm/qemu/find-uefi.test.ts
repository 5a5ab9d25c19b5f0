import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { withVariables } from "../../fixtures/with-variables.js";
import { findUefi } from "./find-uefi.js";

const test = suite("find UEFI");

test("findUefi prefers the firmware of livelab's tools, and else returns the first pair of which both files exist", async () => {
  await using dir = await TempDir.create("uefi");
  const [code, vars] = [join(dir.path, "code"), join(dir.path, "vars")];
  for (const file of [code, vars]) await writeFile(file, "x");
  const find = () =>
    findUefi([
      [code, join(dir.path, "missing")],
      [code, vars],
    ]);
  await withVariables({ LIVELAB_TOOLS: join(dir.path, "tools/launchers") }, async () => {
    assert.equal(await find(), { kind: "uefi", codePath: code, varsTemplatePath: vars });
    const own = join(dir.path, "tools/usr/share/OVMF");
    await mkdir(own, { recursive: true });
    for (const name of ["OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"]) await writeFile(join(own, name), "x");
    assert.equal(await find(), {
      kind: "uefi",
      codePath: join(own, "OVMF_CODE_4M.fd"),
      varsTemplatePath: join(own, "OVMF_VARS_4M.fd"),
    });
  });
});

test("the error of findUefi is of kind host, and names the searched paths and what to do", async () => {
  await withVariables({ LIVELAB_TOOLS: "/nonexistent/launchers" }, async () => {
    const error = await findUefi([["/nonexistent/code", "/nonexistent/vars"]]).catch((thrown) => thrown);
    assert.is(`${error.kind} ${error.code}`, "host UEFI_NOT_FOUND");
    assert.match(error.message, "/nonexistent/code");
    assert.match(error.hint, "unset LIVELAB_TOOLS");
  });
});

test.run();

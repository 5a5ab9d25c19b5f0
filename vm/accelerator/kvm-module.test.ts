import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { findForeignKvmModule } from "./kvm-module.js";

const test = suite("kvm-module");

for (const [folders, loaded, found] of [
  [["kvm", "kvm_pvm"], "", "kvm_pvm"],
  [["kvm", "kvm_amd", "kvm_pvm"], "", undefined],
  [["kvm", "kvm_intel"], "", undefined],
  [["kvm", "loop"], "", undefined],
  [[], "kvm_pvm 200704 0 - Live 0x0\nkvm 1 1 kvm_pvm, Live 0x0\n", "kvm_pvm"],
  [["kvm"], "kvm_intel 1 0 - Live 0x0\n", undefined],
  [[], "", undefined],
] as const) {
  test(`with the modules ${JSON.stringify(folders)} and ${JSON.stringify(loaded)} the foreign module is ${found}`, async () => {
    await using dir = await TempDir.create("modules");
    const modules = join(dir.path, "modules");
    for (const name of folders) await mkdir(join(dir.path, "module", name), { recursive: true });
    await writeFile(modules, loaded);
    assert.is(await findForeignKvmModule(join(dir.path, "module"), modules), found);
  });
}

test("findForeignKvmModule returns undefined on a host that hides its modules", async () => {
  assert.is(await findForeignKvmModule("/livelab-none", "/livelab-none"), undefined);
});

test.run();

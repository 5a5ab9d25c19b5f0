/** livelab's own QEMU uses no file of a QEMU that the host has installed. */
import { realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toolFolders } from "../../base/tools.js";
import { withVariables } from "../../fixtures/with-variables.js";
import { findQemu, printedByQemu } from "../../vm/qemu/find-qemu.js";
import { testUnless } from "../runner/skip-test.js";

const test = suite("own QEMU");
const qemu = await findQemu();
const isOwn = toolFolders().includes(dirname(qemu)) && dirname(qemu).endsWith("launchers");
const lack = isOwn ? undefined : `LIVELAB_QEMU or LIVELAB_TOOLS takes another QEMU: ${qemu}`;

testUnless(test, "livelab's own QEMU takes firmware from its own packages only", lack, async () => {
  const folders = (await printedByQemu(qemu, ["-L", "help"])).trim().split("\n");
  const own = await realpath(join(dirname(qemu), ".."));
  assert.is(folders.length > 0 && folders.every((folder) => folder.startsWith(`${own}/`)), true, folders.join("\n"));
});

testUnless(test, "livelab's own QEMU lists its devices without modules of the host's QEMU", lack, async () => {
  for (const folder of [undefined, "/usr/lib/x86_64-linux-gnu/qemu"]) {
    await withVariables({ QEMU_MODULE_DIR: folder }, async () =>
      assert.match(await printedByQemu(qemu, ["-device", "help"]), '"virtio-9p-pci"'),
    );
  }
});

test.run();

/** A real QEMU in a folder whose name has every character that one of its options could take for its own. */
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DisposableStack } from "../../base/disposable-stack.js";
import { TempDir } from "../../base/temp-dir.js";
import { HOSTILE_NAME } from "../../fixtures/hostile-paths.js";
import { within } from "../../fixtures/vm-deadline.js";
import { halt, powerOff, say, writeBootDisk, writeKernel } from "../../fixtures/vm-guest-code.js";
import { smallMachine } from "../../fixtures/vm-small-machine.js";
import { createOverlay } from "../../vm/disk-image.js";
import { launchMachine } from "../../vm/machine.js";
import type { MachineSpec } from "../../vm/machine-spec.js";

const test = suite("paths of a machine");

/** A folder of that name with a disk in it. */
async function hostileFolder(): Promise<AsyncDisposable & { readonly path: string; readonly disk: string }> {
  await using cleanup = new DisposableStack();
  const path = join(cleanup.use(await TempDir.create("paths")).path, HOSTILE_NAME);
  await mkdir(path);
  const disk = join(path, "-disk.raw");
  await writeBootDisk(disk, say("ttyS1", "it boots."), powerOff);
  const owned = cleanup.move();
  return { path, disk, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

test(
  "disks, an overlay, a folder, logs, files and a socket in it are found",
  within(20_000, async () => {
    await using folder = await hostileFolder();
    await using sockets = await TempDir.create("p,:=", "/tmp"); // a socket's path has room for 107 bytes
    const overlay = join(folder.path, "over:lay.qcow2");
    await createOverlay(overlay, { backing: folder.disk, backingFormat: "raw" });
    const shown = join(folder.path, "shown");
    await mkdir(shown);
    await writeFile(join(shown, "file"), "text");
    const socketPath = join(sockets.path, "soc=ket");
    const spec = smallMachine(overlay, {
      disks: [
        { path: overlay, format: "qcow2" },
        { path: folder.disk, format: "raw", readOnly: true },
        { path: shown, format: "folder", label: "CIDATA" },
      ],
      ports: [{ name: "org.livelab.test", socketPath }],
      firmwareFiles: [{ name: "opt/org.livelab/test", path: join(shown, "file") }],
    });
    await using machine = await launchMachine(spec, { workDir: folder.path });
    assert.ok((await stat(socketPath)).isSocket());
    await machine.resume();
    await machine.exited;
    await machine.stop();
    assert.is(await readFile(join(folder.path, "ttyS1.log"), "utf8"), "it boots.");
  }),
);

test(
  "a CD, a stick and a kernel in it are opened",
  within(20_000, async () => {
    await using folder = await hostileFolder();
    const kernelPath = join(folder.path, "vm,linuz");
    await writeKernel(kernelPath, halt);
    for (const boot of [
      { kind: "cdrom", isoPath: folder.disk },
      { kind: "usb", imagePath: folder.disk },
      { kind: "kernel", kernelPath, append: "quiet" },
    ] satisfies MachineSpec["boot"][]) {
      await using machine = await launchMachine(smallMachine("", { boot, disks: [] }), {
        workDir: folder.path,
      });
      assert.is((await machine.stop()).reason, "quit");
    }
  }),
);

test.run();

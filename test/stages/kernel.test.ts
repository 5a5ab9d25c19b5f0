/** builder/stages/kernel.sh: an image whose kernel and modules do not belong together fails with what does not match. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { PLATFORM_KERNEL, runAsStage, toyKernel } from "../../fixtures/toy-platform.js";

const test = suite("kernel");

async function makeImage(folder: string): Promise<string> {
  const root = join(folder, "chroot");
  const modules = join(root, "lib/modules", PLATFORM_KERNEL);
  await mkdir(modules, { recursive: true });
  await mkdir(join(root, "boot"));
  await writeFile(join(modules, "modules.dep"), "");
  await writeFile(join(root, `boot/vmlinuz-${PLATFORM_KERNEL}`), toyKernel(PLATFORM_KERNEL));
  return root;
}

test("its version is told where kernel and modules are of one", async () => {
  await using dir = await TempDir.create("kernel");
  await makeImage(dir.path);
  assert.is(await runAsStage(dir.path, ["kernel"], "image_kernel"), `${PLATFORM_KERNEL}\n`);
});

test("what does not match fails the stage and is told", async () => {
  const cases: [(root: string) => Promise<unknown>, RegExp][] = [
    [(root) => rm(join(root, "lib/modules"), { recursive: true }), /the image must have the modules of one kernel/],
    [
      (root) => mkdir(join(root, "lib/modules/6.1.0-2-amd64")),
      /the image must have the modules of one kernel, and there are .*6\.1\.0-1-amd64 .*6\.1\.0-2-amd64/,
    ],
    [(root) => rm(join(root, `boot/vmlinuz-${PLATFORM_KERNEL}`)), /there is no \/boot\/vmlinuz-6\.1\.0-1-amd64/],
    [
      (root) => writeFile(join(root, `boot/vmlinuz-${PLATFORM_KERNEL}`), toyKernel("6.1.0-2-amd64")),
      /is a kernel of version 6\.1\.0-2-amd64, and the modules in the image are those of 6\.1\.0-1-amd64/,
    ],
    [(root) => rm(join(root, `lib/modules/${PLATFORM_KERNEL}/modules.dep`)), /no modules\.dep/],
  ];
  for (const [spoil, expected] of cases) {
    await using dir = await TempDir.create("kernel");
    await spoil(await makeImage(dir.path));
    const failure = await runAsStage(dir.path, ["kernel"], "kernel=$(image_kernel); echo went on").then(
      (stdout) => ({ stderr: stdout }),
      (error: { stderr: string }) => error,
    );
    assert.match(failure.stderr, expected);
    assert.not.match(failure.stderr, "went on");
  }
});

test.run();

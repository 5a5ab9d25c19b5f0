/** builder/stages/kernel.sh: it prints the image's kernel version, and fails if kernel and modules do not match. */
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

test("image_kernel prints the version of a matching kernel and modules", async () => {
  await using dir = await TempDir.create("kernel");
  await makeImage(dir.path);
  assert.is(await runAsStage(dir.path, ["kernel"], "image_kernel"), `${PLATFORM_KERNEL}\n`);
});

test("image_kernel fails and names the mismatch", async () => {
  const cases: [(root: string) => Promise<unknown>, RegExp][] = [
    [
      (root) => rm(join(root, "lib/modules"), { recursive: true }),
      /the image must have the modules of exactly one kernel/,
    ],
    [
      (root) => mkdir(join(root, "lib/modules/6.1.0-2-amd64")),
      /the image must have the modules of exactly one kernel; found: .*6\.1\.0-1-amd64 .*6\.1\.0-2-amd64/,
    ],
    [
      (root) => rm(join(root, `boot/vmlinuz-${PLATFORM_KERNEL}`)),
      /but not its kernel: \/boot\/vmlinuz-6\.1\.0-1-amd64 is missing/,
    ],
    [
      (root) => writeFile(join(root, `boot/vmlinuz-${PLATFORM_KERNEL}`), toyKernel("6.1.0-2-amd64")),
      /has version 6\.1\.0-2-amd64, but the image has the modules of 6\.1\.0-1-amd64/,
    ],
    [
      (root) => rm(join(root, `lib/modules/${PLATFORM_KERNEL}/modules.dep`)),
      /depmod has not run for .*: modules\.dep is missing/,
    ],
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

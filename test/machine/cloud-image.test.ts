/**
 * The whole life of a cloud image, with a similar one made of locked packages: fetched from a server, booted by
 * its own boot loader, prepared by cloud-init, used over SSH, discarded.
 */
import { readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentProgress, silentStep } from "../../base/progress/progress.js";
import { TempDir } from "../../base/temp-dir.js";
import { type CloudMachineOptions, startCloudMachine } from "../../builder/machines/cloud/cloud-machine.js";
import { fetchCloudImage } from "../../builder/store/cloud-image.js";
import { Store } from "../../builder/store/store.js";
import { ensureCloudImage } from "../../fixtures/cloud-image/build-image.js";
import { MisbehavingMirror, sha256Of } from "../../fixtures/misbehaving-mirror.js";
import { sandboxLack } from "../../fixtures/sandbox-lack.js";
import { sharedHome } from "../../fixtures/toy-stage.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { powerOff, say, writeBootDisk } from "../../fixtures/vm-guest-code.js";
import { decideAccelerator } from "../../vm/accelerator/accelerator.js";
import type { VmError } from "../../vm/vm-error.js";
import { testUnless } from "../runner/skip-test.js";

const test = suite("cloud image machine");
const GIB = 1024 ** 3;

/** The host's accelerator, as earlier runs decided. */
async function machineOptions(dir: TempDir): Promise<Omit<CloudMachineOptions, "image">> {
  const signal = AbortSignal.timeout(9 * 60_000);
  const verdict = await decideAccelerator({
    preference: "auto",
    kernelPath: undefined,
    stateDir: sharedHome(),
    signal,
  });
  return { ...verdict, workDir: join(dir.path, "machine"), signal };
}

testUnless(
  test,
  "a cloud image comes from its server, boots, grows, and runs commands without any network",
  sandboxLack, // the image is made there
  within(9 * 60_000, async () => {
    await using dir = await TempDir.create("cloud-test");
    const options = await machineOptions(dir);
    const bytes = await readFile(await ensureCloudImage(silentProgress, options.signal as AbortSignal));
    const digest = sha256Of(bytes);
    await using server = await MisbehavingMirror.start("cut-once");
    server.files.set("cloud.qcow2", bytes);
    const store = await Store.open(join(dir.path, "store"));
    const image = await fetchCloudImage(
      { kind: "address", name: "test-cloud", address: `${server.url}cloud.qcow2`, digest },
      { store, progress: silentProgress, retryMs: 10 },
    );
    assert.is(image.format, "qcow2");
    assert.is(server.requests.length, 2); // the first was cut short

    const seen: string[] = [];
    {
      const diskBytes = 6 * GIB;
      await using cloud = await startCloudMachine({
        ...options,
        image,
        diskBytes,
        step: { ...silentStep, status: (line) => seen.push(line) },
      });
      const run = async (command: string): Promise<string> => {
        const { status, stdout, stderr } = await cloud.ssh.exec(command);
        assert.is(status, 0, stderr);
        return stdout.toString().trim();
      };
      assert.is(await run("ls /sys/class/net"), "lo");
      const rootBytes = Number(await run("df --output=size --block-size=1 / | tail -n 1"));
      assert.ok(rootBytes > diskBytes * 0.95 && rootBytes < diskBytes, `the root has ${rootBytes} bytes`);
      // The guest has the host's clock, without a network.
      assert.ok(Math.abs(Number(await run("date +%s")) - Date.now() / 1000) < 10);
      assert.is(await run("grep -c 'Ran 4 modules with 0 failures' /var/log/cloud-init.log"), "1");
      assert.is(await run("systemctl --failed --no-legend | wc -l"), "0");
      const result = await cloud.ssh.exec("cat; echo err >&2; exit 7", { stdin: "in" });
      assert.equal([result.status, result.stdout.toString(), result.stderr], [7, "in", "err\n"]);
      await run("dd if=/dev/urandom of=/root/written bs=1M count=20 && sync");
    }
    assert.ok(seen.some((line) => line.includes("Linux version") || line.includes("cloud-init")));
    assert.is(sha256Of(await readFile(image.path)).hex, digest.hex);
    assert.equal((await readdir(options.workDir)).sort(), ["argv.txt", "qemu.log", "ttyS0.log"]);
  }),
);

test(
  "a disk without a boot loader is reported as such, with the console's output",
  within(60_000, async () => {
    await using dir = await TempDir.create("cloud-test");
    const path = join(dir.path, "empty.raw");
    await writeFile(path, "");
    await truncate(path, 1024 ** 2);
    const options = await machineOptions(dir);
    const error = (await thrownBy(startCloudMachine({ ...options, image: { path, format: "raw" } }))) as VmError;
    assert.is(error.code, "IMAGE_UNFIT");
    assert.match(error.message, `${path}: it has no boot loader; its console:`);
    assert.match(error.message, /\| No bootable device/);
    assert.equal((await readdir(options.workDir)).sort(), ["argv.txt", "qemu.log", "ttyS0.log"]);
  }),
);

test(
  "a guest that powers off before SSH works ends the wait at once",
  within(60_000, async () => {
    await using dir = await TempDir.create("cloud-test");
    const path = join(dir.path, "off.raw");
    await writeBootDisk(path, powerOff);
    const options = await machineOptions(dir);
    const error = (await thrownBy(startCloudMachine({ ...options, image: { path, format: "raw" } }))) as VmError;
    assert.is(error.code, "EXITED_EARLY");
    assert.match(error.message, "the guest powered off before SSH worked");
  }),
);

test(
  "an image that reaches its login prompt without cloud-init is reported as such",
  within(60_000, async () => {
    await using dir = await TempDir.create("cloud-test");
    const path = join(dir.path, "login.raw");
    await writeBootDisk(path, say("ttyS0", "\nlocalhost login: "));
    const options = { ...(await machineOptions(dir)), timeScale: 0.5 };
    const error = (await thrownBy(startCloudMachine({ ...options, image: { path, format: "raw" } }))) as VmError;
    assert.is(error.code, "IMAGE_UNFIT");
    assert.match(error.message, "it reached its login prompt, but cloud-init did not run");
  }),
);

test(
  "a guest that prints nothing is ended at the limit",
  within(60_000, async () => {
    await using dir = await TempDir.create("cloud-test");
    const path = join(dir.path, "halts.raw");
    await writeBootDisk(path);
    const options = { ...(await machineOptions(dir)), timeScale: 0.05 };
    const error = (await thrownBy(startCloudMachine({ ...options, image: { path, format: "raw" } }))) as VmError;
    assert.is(error.code, "GUEST_SILENT");
    assert.match(error.message, "in 3000 ms");
  }),
);

test(
  "an abort during the boot leaves no machine and no overlay",
  within(60_000, async () => {
    await using dir = await TempDir.create("cloud-test");
    const path = join(dir.path, "halts.raw");
    await writeBootDisk(path);
    const abort = new AbortController();
    const options = { ...(await machineOptions(dir)), signal: abort.signal };
    const step = { ...silentStep, status: () => abort.abort(new Error("enough")) };
    const error = await thrownBy(startCloudMachine({ ...options, image: { path, format: "raw" }, step }));
    assert.is((error as Error).message, "enough");
    assert.equal((await readdir(options.workDir)).sort(), ["argv.txt", "qemu.log", "ttyS0.log"]);
  }),
);

test.run();

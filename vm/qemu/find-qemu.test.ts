import { chmod, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import { withVariables } from "../../fixtures/with-variables.js";
import type { VmError } from "../vm-error.js";
import { describeQemu, findQemu, readQemuVersion } from "./find-qemu.js";

const test = suite("find QEMU");

/** A program that prints a text. */
async function printer(dir: string, text: string): Promise<string> {
  const path = join(dir, "qemu-system-x86_64");
  await writeFile(path, `#!/bin/sh\necho '${text}'\n`);
  await chmod(path, 0o755);
  return path;
}

test("LIVELAB_QEMU takes precedence over the PATH, and an empty one does not count", async () => {
  await using one = await TempDir.create("qemu");
  await using two = await TempDir.create("qemu");
  const [named, inPath] = [await printer(one.path, "one"), await printer(two.path, "two")];
  const PATH = `${two.path}:${process.env["PATH"]}`;
  await withVariables({ LIVELAB_QEMU: named, PATH }, async () => assert.is(await findQemu(), named));
  await withVariables({ LIVELAB_QEMU: "", PATH }, async () => assert.is(await findQemu(), inPath));
  await withVariables({ LIVELAB_QEMU: undefined, PATH }, async () => assert.is(await findQemu(), inPath));
});

test("a name in LIVELAB_QEMU is a program of the host, and not one of livelab's own", async () => {
  await using own = await TempDir.create("qemu");
  await using host = await TempDir.create("qemu");
  const [ownQemu, hostQemu] = [await printer(own.path, "own"), await printer(host.path, "host")];
  const PATH = `${own.path}:${host.path}`;
  await withVariables({ LIVELAB_TOOLS: own.path, LIVELAB_QEMU: undefined, PATH }, async () =>
    assert.is(await findQemu(), ownQemu),
  );
  await withVariables({ LIVELAB_TOOLS: own.path, LIVELAB_QEMU: "qemu-system-x86_64", PATH }, async () =>
    assert.is(await findQemu(), hostQemu),
  );
});

test("the remedy for livelab's own QEMU that does not run removes it, so that it is unpacked again", async () => {
  await using own = await TempDir.create("qemu");
  const path = await printer(own.path, "");
  await writeFile(path, "#!/bin/sh\nexit 127\n");
  await withVariables({ LIVELAB_TOOLS: own.path, LIVELAB_QEMU: undefined }, async () => {
    const error = (await thrownBy(readQemuVersion(path))) as VmError;
    assert.match(error.hint ?? "", `rm -r ${dirname(own.path)}: livelab then unpacks`);
  });
});

test("a LIVELAB_QEMU that does not exist, is no QEMU or is too old is named, with the remedy to unset it", async () => {
  await using dir = await TempDir.create("qemu");
  const program = await printer(dir.path, "BusyBox v1.35");
  await withVariables({ LIVELAB_QEMU: join(dir.path, "absent") }, async () => {
    const error = (await thrownBy(findQemu())) as VmError;
    assert.is(error.code, "QEMU_NOT_FOUND");
    assert.match(error.message, join(dir.path, "absent"));
    assert.match(error.hint ?? "", "unset it");
  });
  await withVariables({ LIVELAB_QEMU: program }, async () => {
    const none = (await thrownBy(readQemuVersion(program))) as VmError;
    assert.equal([none.code, none.kind], ["QEMU_NOT_FOUND", "host"]);
    assert.match(none.message, `${program} is not QEMU: it prints "BusyBox v1.35`);
    await printer(dir.path, "QEMU emulator version 5.2.0 (Debian 1:5.2+dfsg-11)");
    const old = (await thrownBy(readQemuVersion(program))) as VmError;
    assert.equal([old.code, old.kind], ["QEMU_TOO_OLD", "host"]);
    assert.is(old.message, `${program} is QEMU 5.2.0; livelab needs 6.0 or later`);
    assert.match(old.hint ?? "", "unset it");
  });
});

test("a QEMU is described by version and place, and by whether livelab's tests have run with it", async () => {
  await withVariables({ LIVELAB_TOOLS: "/tools/launchers" }, async () => {
    assert.is(describeQemu("10.0.13", "/tools/launchers/qemu-system-x86_64"), "10.0.13, livelab's own");
    assert.is(describeQemu("7.2.22", "/usr/bin/qemu-system-x86_64"), "7.2.22 at /usr/bin/qemu-system-x86_64");
    for (const version of ["6.2.0", "8.2.2", "9.1.0", "11.0.0"])
      assert.is(describeQemu(version, "/bin/q"), `${version} at /bin/q, not tried by livelab (7 and 10 are)`);
  });
});

test.run();

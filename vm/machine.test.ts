/** Tests that run no guest. The others are in test/machine/machine.test.ts. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../base/temp-dir.js";
import { answers, FakeQemu } from "../fixtures/fake-qemu.js";
import { thrownBy, within } from "../fixtures/vm-deadline.js";
import { smallMachine } from "../fixtures/vm-small-machine.js";
import { launchMachine } from "./machine.js";
import { VmError } from "./vm-error.js";

const test = suite("launch of a machine");

test(
  "launchMachine without QEMU fails with what to do",
  within(5_000, async () => {
    await using dir = await TempDir.create("machine");
    const spec = smallMachine(join(dir.path, "disk"));
    const error = await thrownBy(launchMachine(spec, { workDir: dir.path, program: "qemu-system-missing" }));
    assert.instance(error, VmError);
    assert.is((error as VmError).code, "QEMU_NOT_FOUND");
    assert.is((error as VmError).kind, "host");
    assert.match(String((error as VmError).hint), "livelab inputs fetch");
  }),
);

test(
  "launchMachine distinguishes a missing UEFI from a work folder that cannot store its variables",
  within(10_000, async () => {
    await using dir = await TempDir.create("machine");
    const template = join(dir.path, "template.fd");
    const firmware = { kind: "uefi", codePath: "/code.fd", varsTemplatePath: template } as const;
    const launch = () => launchMachine(smallMachine(join(dir.path, "disk"), { firmware }), { workDir: dir.path });
    const absent = (await thrownBy(launch())) as VmError;
    assert.is(absent.code, "UEFI_NOT_FOUND");
    assert.match(absent.hint ?? "", "unset LIVELAB_TOOLS");
    await writeFile(template, "");
    await mkdir(join(dir.path, "uefi-vars.fd"));
    assert.is(((await thrownBy(launch())) as NodeJS.ErrnoException).code, "EISDIR");
  }),
);

test(
  "launchMachine reports the output of a QEMU that ends after its greeting",
  within(10_000, async () => {
    await using qemu = await FakeQemu.install({
      tcg: `${answers(1)}; read -r _ <&3; echo "qemu: initrd is too large" >&2; exit 1`,
    });
    const spec = smallMachine(join(qemu.folder, "disk"));
    const error = await thrownBy(launchMachine(spec, { workDir: join(qemu.folder, "work") }));
    assert.equal([(error as VmError).code, (error as VmError).kind], ["EXITED_EARLY", "host"]);
    assert.match(String(error), "qemu: initrd is too large");
  }),
);

test.run();

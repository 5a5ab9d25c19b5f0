import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { openGuestPort } from "../../builder/channel/guest-port.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { writeBootDisk } from "../../fixtures/vm-guest-code.js";
import { smallMachine } from "../../fixtures/vm-small-machine.js";
import { launchMachine } from "../../vm/machine.js";
import type { VmError } from "../../vm/vm-error.js";

const test = suite("guest port of a machine");

test(
  "is there as long as the machine, and ends with it",
  within(8_000, async () => {
    await using dir = await TempDir.create("guest-port");
    const disk = join(dir.path, "disk");
    await writeBootDisk(disk);
    const socketPath = join(dir.path, "a, port");
    const spec = smallMachine(disk, { ports: [{ name: "org.livelab.ssh", socketPath }] });
    await using machine = await launchMachine(spec, { workDir: dir.path });
    await machine.resume();
    const silent = await thrownBy(openGuestPort(socketPath, { limitMs: 300 }));
    assert.is((silent as VmError).code, "GUEST_SILENT");
    const opening = thrownBy(openGuestPort(socketPath, { limitMs: 60_000 }));
    await machine.stop();
    assert.is(((await opening) as VmError).code, "PORT_CLOSED");
  }),
);

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { within } from "../fixtures/vm-deadline.js";
import { checkQemuHost } from "./qemu-checks.js";
import { TempDir } from "./temp-dir.js";

const test = suite("qemu-checks");

test(
  "finds on a host that runs these tests all that a machine needs, and a word on KVM",
  within(10_000, async () => {
    await using dir = await TempDir.create("checks");
    const checks = await checkQemuHost({
      kernelPath: undefined,
      stateDir: dir.path,
      signal: new AbortController().signal,
      kvmDevice: "/dev/livelab-no-kvm",
    });
    assert.equal(
      checks.map(({ name, state }) => `${name}: ${state}`),
      [
        "qemu-system-x86_64: ok",
        "iPXE ROM: ok",
        "UEFI (OVMF): ok",
        "setpriv: ok",
        "pseudo terminals: ok",
        "KVM: warning",
      ],
    );
    assert.match(checks[0]?.detail ?? "", /^\d+\.\d+\.\d+ at \//);
    assert.match(checks[5]?.detail ?? "", "/dev/livelab-no-kvm cannot be opened (ENOENT)");
    assert.match(checks[5]?.remedy ?? "", "modprobe");
  }),
);

test.run();

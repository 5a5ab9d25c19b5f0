/** Claims that hold for every CN, for each way to boot and each configuration. */

import { expectEqual } from "../../harness/boot/expect.js";
import { digestFile } from "../../harness/cn-files/image-folder.js";
import type { Claim } from "../../harness/scenarios/scenario.js";

/** Kernel argument for CNs without a disk: early boot does not wait for the system pool, which these boots do not test. */
export const awaitNoDisk = "zfs_modprobe_sleep=0";

export const isTheImageUnderTest: Claim = {
  title: "the image that booted is the one under test",
  verify: async ({ run, plan }) =>
    expectEqual("TRITON_RELEASE", await run('. /etc/os-release; echo "$TRITON_RELEASE"'), plan.image.stamp),
};

/** Reads the squashfs where the root reads it: from the device below the overlay. */
export const runsFromTheSquashfs: Claim = {
  title: "the CN runs from the image's squashfs, byte for byte",
  verify: async ({ run, plan }) => {
    const { path, sizeBytes } = plan.image.files["filesystem.squashfs"];
    const said = await run(
      `device=$(findmnt -n -t squashfs -o SOURCE | head -n 1); head -c ${sizeBytes} "$device" | sha256sum`,
    );
    expectEqual("the SHA-256 of its squashfs", said.split(" ")[0], await digestFile(path));
  },
};

export const noUnitHasFailed: Claim = {
  title: "no unit has failed",
  verify: async ({ run }) => {
    // This fails if a unit has failed. The list below gives a better message.
    await run("systemctl is-system-running --wait || true");
    expectEqual("the list of failed units", await run("systemctl list-units --failed --plain --no-legend"), "");
  },
};

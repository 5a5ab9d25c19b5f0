/** Claims that hold for a CN however it boots, and whatever it is given. */

import { expectEqual } from "../../harness/boot/expect.js";
import { digestFile } from "../../harness/cn-files/image-folder.js";
import type { Claim } from "../../harness/scenarios/scenario.js";

/** For CNs without a disk whose system pool is not what is looked at: early boot need not wait for one to come. */
export const awaitNoDisk = "zfs_modprobe_sleep=0";

export const isTheImageUnderTest: Claim = {
  title: "the image that booted is the one under test",
  verify: async ({ run, plan }) =>
    expectEqual("TRITON_RELEASE", await run('. /etc/os-release; echo "$TRITON_RELEASE"'), plan.image.stamp),
};

/** Read where the root itself is read: from the device below the overlay. */
export const runsFromTheSquashfs: Claim = {
  title: "the squashfs that it runs from is the image's, byte for byte",
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
    // Ends with another status when a unit has failed, which the list says better.
    await run("systemctl is-system-running --wait || true");
    expectEqual("the list of failed units", await run("systemctl list-units --failed --plain --no-legend"), "");
  },
};

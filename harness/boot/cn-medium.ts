/** Prepares the medium that a CN boots from for its machine. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { DisposableStack } from "../../base/disposable-stack.js";
import type { BootSource, DiskSpec } from "../../vm/machine-spec.js";
import type { BootPlan } from "./boot-plan.js";
import { unpackSparse } from "./unpack-sparse.js";

/**
 * @param cleanup takes what must be removed with the machine
 * @returns what the machine boots from, and its disks, including the medium if that is a disk
 * @throws UsageError MEDIUM_UNREADABLE
 */
export async function layOutMedium(
  { medium, disks, reportDir }: Pick<BootPlan, "medium" | "disks" | "reportDir">,
  { cleanup, signal }: { readonly cleanup: DisposableStack; readonly signal: AbortSignal },
): Promise<{ readonly boot: BootSource; readonly disks: readonly DiskSpec[] }> {
  switch (medium.kind) {
    case "ipxe":
      return { boot: { kind: "network" }, disks };
    case "iso":
      return { boot: { kind: "cdrom", isoPath: medium.path }, disks };
    case "iso-disk":
      return { boot: { kind: "disk" }, disks: [{ path: medium.path, format: "raw", readOnly: true }, ...disks] };
    case "usb": {
      const imagePath = join(reportDir, "usb-stick.img");
      cleanup.defer(() => rm(imagePath, { force: true }));
      await unpackSparse(medium.path, imagePath, signal);
      return { boot: { kind: "usb", imagePath }, disks };
    }
    default:
      return medium satisfies never;
  }
}

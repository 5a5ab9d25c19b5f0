/** The milestones on the way of a boot. Other milestones do not apply to it, and no wait expects them. */

import type { ImageFolder } from "../cn-files/image-folder.js";
import type { NetworkingFile } from "../cn-files/networking-json.js";
import type { BootMedium } from "./boot-medium.js";
import { type MilestoneName, milestoneNames } from "./milestones.js";

/** The facts that decide the way. */
export interface BootWay {
  readonly medium: BootMedium;
  readonly networking: NetworkingFile | undefined;
  readonly image: Pick<ImageFolder, "hashFiles">;
}

/** Milestones that the headnode observes. */
const fromHeadnode: readonly MilestoneName[] = [
  "ipxe-script",
  "kernel-fetch",
  "initrd-fetch",
  "modules-fetch",
  "live-boot-fetch",
];

/** Returns the milestones in the order in which the boot reaches them. */
export function milestonesOn({ medium, networking, image }: BootWay): readonly MilestoneName[] {
  const applies = (name: MilestoneName): boolean => {
    if (name === "loader-fetch") return medium.kind === "ipxe" && medium.loaderDir !== undefined;
    if (fromHeadnode.includes(name)) return medium.kind === "ipxe";
    // If the image has a digest of the root, it comes with the initrd, from the headnode or the medium.
    if (name === "verified") return image.hashFiles !== undefined;
    // The early boot announces a link only if networking.json describes it.
    if (name === "networkd") return (networking?.vnics.length ?? 0) > 0;
    return true;
  };
  return milestoneNames.filter(applies);
}

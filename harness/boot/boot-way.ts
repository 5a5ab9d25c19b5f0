/** The way of a boot: which milestones lie on it. Those of other ways do not apply to it, and nobody waits for them. */

import type { ImageFolder } from "../cn-files/image-folder.js";
import type { NetworkingFile } from "../cn-files/networking-json.js";
import type { BootMedium } from "./boot-medium.js";
import { type MilestoneName, milestoneNames } from "./milestones.js";

/** What decides on the way. */
export interface BootWay {
  readonly medium: BootMedium;
  readonly networking: NetworkingFile | undefined;
  readonly image: Pick<ImageFolder, "hashFiles">;
}

/** What the headnode sees. */
const fromHeadnode: readonly MilestoneName[] = [
  "ipxe-script",
  "kernel-fetch",
  "initrd-fetch",
  "modules-fetch",
  "live-boot-fetch",
];

/** In the order in which the boot reaches them. */
export function milestonesOn({ medium, networking, image }: BootWay): readonly MilestoneName[] {
  const applies = (name: MilestoneName): boolean => {
    if (name === "loader-fetch") return medium.kind === "ipxe" && medium.loaderDir !== undefined;
    if (fromHeadnode.includes(name)) return medium.kind === "ipxe";
    // The root is compared with a digest that comes beside the initrd, from the headnode or the medium, if the image has one.
    if (name === "verified") return image.hashFiles !== undefined;
    // A link is announced when networking.json speaks of it.
    if (name === "networkd") return (networking?.vnics.length ?? 0) > 0;
    return true;
  };
  return milestoneNames.filter(applies);
}

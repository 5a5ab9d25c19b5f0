/**
 * What a CN boots from, as asked for and checked: the network, or a medium made of the same image.
 * Not here: how the machine gets it (cn-medium.ts), which milestones are on the way (boot-way.ts).
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../../base/livelab-error.js";
import type { ImageFolder } from "../cn-files/image-folder.js";
import type { NetbootMedium, Transport } from "../headnode/headnode.js";

/** `iso`: in a CD drive; `iso-disk`: written to a disk as it is; `usb`: on a stick. */
export const mediumNames = ["ipxe", "iso", "iso-disk", "usb"] as const;
export const firmwareNames = ["bios", "uefi"] as const;
export type FirmwareName = (typeof firmwareNames)[number];

export type BootMedium =
  | ({ readonly kind: "ipxe" } & NetbootMedium)
  | { readonly kind: "iso" | "iso-disk" | "usb"; readonly path: string };

export interface MediumOptions {
  readonly medium: (typeof mediumNames)[number];
  readonly firmware: FirmwareName;
  /** For iPXE. Undefined stands for "http" with QEMU's iPXE ROM, else for "booter". */
  readonly transport: Transport | undefined;
  /**
   * Whether the firmware's PXE is to load iPXE first, by option 93, as a booter has it. UEFI always does. On BIOS QEMU's
   * ROM, which is an iPXE itself, is then taken for a plain one.
   */
  readonly chain: boolean;
  /** Brings the folder with undionly.kpxe and snponly.efi; asked only for a boot that loads one of them. */
  readonly findLoaders?: (() => Promise<string>) | undefined;
}

/** @throws UsageError NO_SUCH_WAY, LOADERS_UNKNOWN, MEDIUM_MISSING */
export async function planMedium(options: MediumOptions, image: ImageFolder): Promise<BootMedium> {
  const { medium, firmware, chain } = options;
  if (medium !== "ipxe") {
    return { kind: medium, path: await findMedium(image, medium === "usb" ? ".usb.gz" : ".iso") };
  }
  const loads = firmware === "uefi" || chain;
  const transport = options.transport ?? (loads ? "booter" : "http");
  if (loads && transport === "http") {
    throw new UsageError(
      "NO_SUCH_WAY",
      `with ${chain ? "a chain of boot loaders" : "UEFI"} the headnode's own DHCP answers, and as a booter's it names a script to be fetched by TFTP`,
      { hint: "transport booter, which fetches all but script and kernel by HTTP" },
    );
  }
  if (!loads) return { kind: "ipxe", transport, loaderDir: undefined };
  if (options.findLoaders === undefined) {
    throw new UsageError("LOADERS_UNKNOWN", "the boot loads an iPXE first, and no folder with one is named");
  }
  return { kind: "ipxe", transport, loaderDir: await options.findLoaders() };
}

/** What only a headnode could bring about, asked of a boot without one. */
export const notForMedium = (what: string, medium: string): UsageError =>
  new UsageError("NOT_FOR_MEDIUM", `${what} comes from the headnode, which a boot from ${medium} does without`, {
    hint: "leave it out, or boot with medium ipxe",
  });

/** The image's medium of that kind: the one with its stamp, where there are several. */
async function findMedium(image: ImageFolder, suffix: ".iso" | ".usb.gz"): Promise<string> {
  const names = (await readdir(image.path)).filter((name) => name.endsWith(suffix)).sort();
  const name = names.find((each) => each.includes(image.stamp)) ?? names[0];
  if (name !== undefined) return join(image.path, name);
  const stage = suffix === ".iso" ? "create_iso" : "create_usb";
  throw new UsageError("MEDIUM_MISSING", `${image.path} has no ${suffix} file to boot from`, {
    hint: `livelab build -r ${image.stamp} ${stage}`,
  });
}

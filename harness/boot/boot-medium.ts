/**
 * Checks what a CN boots from: the network, or a medium built from the same image.
 * cn-medium.ts prepares it for the machine.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../../base/livelab-error.js";
import type { ImageFolder } from "../cn-files/image-folder.js";
import type { NetbootMedium, Transport } from "../headnode/headnode.js";

/** `iso`: the ISO in a CD drive; `iso-disk`: the ISO written to a disk unchanged; `usb`: a USB stick. */
export const mediumNames = ["ipxe", "iso", "iso-disk", "usb"] as const;
export const firmwareNames = ["bios", "uefi"] as const;
export type FirmwareName = (typeof firmwareNames)[number];

export type BootMedium =
  | ({ readonly kind: "ipxe" } & NetbootMedium)
  | { readonly kind: "iso" | "iso-disk" | "usb"; readonly path: string };

export interface MediumOptions {
  readonly medium: (typeof mediumNames)[number];
  readonly firmware: FirmwareName;
  /** How iPXE gets its files. @default "http" with QEMU's iPXE ROM, else "booter" */
  readonly transport: Transport | undefined;
  /**
   * Whether the firmware's PXE loads iPXE first, chosen by DHCP option 93 as booter does. UEFI always loads it first.
   * On BIOS, QEMU's ROM is an iPXE itself; the headnode then treats it as plain PXE.
   */
  readonly chain: boolean;
  /** Provides the folder with undionly.kpxe and snponly.efi. Called only for a boot that loads one of them. */
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
      `transport http does not work with ${chain ? "a chain of boot loaders" : "UEFI"}: the headnode's DHCP then names a boot script to fetch by TFTP, as booter does`,
      { hint: "use transport booter: only the script and the kernel come by TFTP, the rest by HTTP" },
    );
  }
  if (!loads) return { kind: "ipxe", transport, loaderDir: undefined };
  if (options.findLoaders === undefined) {
    throw new UsageError(
      "LOADERS_UNKNOWN",
      "this boot loads iPXE from a file first, and no folder with the iPXE loaders is given",
    );
  }
  return { kind: "ipxe", transport, loaderDir: await options.findLoaders() };
}

/** The error for an option that only a headnode can serve, in a boot without one. */
export const notForMedium = (what: string, medium: string): UsageError =>
  new UsageError("NOT_FOR_MEDIUM", `${what} comes from the headnode, and a boot from ${medium} has no headnode`, {
    hint: "leave it out, or boot with medium ipxe",
  });

/** Finds the image's medium of this kind: of several, the one with the image's stamp. */
async function findMedium(image: ImageFolder, suffix: ".iso" | ".usb.gz"): Promise<string> {
  const names = (await readdir(image.path)).filter((name) => name.endsWith(suffix)).sort();
  const name = names.find((each) => each.includes(image.stamp)) ?? names[0];
  if (name !== undefined) return join(image.path, name);
  throw new UsageError("MEDIUM_MISSING", `${image.path} has no ${suffix} file to boot from`, {
    hint: `livelab build -r ${image.stamp} create_tgz ...`,
  });
}

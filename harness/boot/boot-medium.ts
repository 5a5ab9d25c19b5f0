/**
 * What a CN boots from, as asked for and checked: the network, or a medium made of the same image.
 * Not here: how the machine gets it (cn-medium.ts), which milestones are on the way (boot-way.ts).
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../../base/livelab-error.js";
import type { ImageFolder } from "../cn-files/image-folder.js";
import { type NetbootMedium, transportNames } from "../headnode/headnode.js";

/** `iso`: in a CD drive; `iso-disk`: written to a disk as it is; `usb`: on a stick. */
export const mediumNames = ["ipxe", "iso", "iso-disk", "usb"] as const;
export const firmwareNames = ["bios", "uefi"] as const;
export type FirmwareName = (typeof firmwareNames)[number];

export type BootMedium =
  | ({ readonly kind: "ipxe" } & NetbootMedium)
  | { readonly kind: "iso" | "iso-disk" | "usb"; readonly path: string };

export interface MediumOptions {
  /** @default "ipxe" */
  readonly medium?: string | undefined;
  /** @default "bios" */
  readonly firmware?: string | undefined;
  /** For iPXE. @default "http" for QEMU's iPXE ROM, else "booter" */
  readonly transport?: string | undefined;
  /**
   * Whether the firmware's PXE is to load iPXE first, by option 93, as a booter has it. UEFI always does. On BIOS QEMU's
   * ROM, which is an iPXE itself, is then taken for a plain one. @default false
   */
  readonly chain?: boolean | undefined;
  /** Brings the folder with undionly.kpxe and snponly.efi; asked only for a boot that loads one of them. */
  readonly findLoaders?: (() => Promise<string>) | undefined;
}

/** @throws UsageError UNKNOWN_MEDIUM, UNKNOWN_FIRMWARE, UNKNOWN_TRANSPORT */
export function parseMedium(options: MediumOptions): {
  readonly medium: (typeof mediumNames)[number];
  readonly firmware: FirmwareName;
} {
  return {
    medium: oneOf(mediumNames, options.medium ?? "ipxe", "UNKNOWN_MEDIUM"),
    firmware: oneOf(firmwareNames, options.firmware ?? "bios", "UNKNOWN_FIRMWARE"),
  };
}

/** @throws UsageError as parseMedium; NOT_FOR_MEDIUM, NO_SUCH_WAY, LOADERS_UNKNOWN, MEDIUM_MISSING */
export async function planMedium(options: MediumOptions, image: ImageFolder): Promise<BootMedium> {
  const { medium, firmware } = parseMedium(options);
  if (medium !== "ipxe") {
    if (options.transport !== undefined) throw notForMedium("a transport", medium);
    if (options.chain === true) throw notForMedium("a chain of boot loaders", medium);
    return { kind: medium, path: await findMedium(image, medium === "usb" ? ".usb.gz" : ".iso") };
  }
  const loads = firmware === "uefi" || options.chain === true;
  const transport = oneOf(transportNames, options.transport ?? (loads ? "booter" : "http"), "UNKNOWN_TRANSPORT");
  if (loads && transport === "http") {
    throw new UsageError(
      "NO_SUCH_WAY",
      `with ${options.chain === true ? "a chain of boot loaders" : "UEFI"} the headnode's own DHCP answers, and as a booter's it names a script to be fetched by TFTP`,
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

function oneOf<Name extends string>(known: readonly Name[], asked: string, code: string): Name {
  const found = known.find((name) => name === asked);
  if (found !== undefined) return found;
  throw new UsageError(code, `"${asked}" is not one of ${known.join(", ")}`);
}

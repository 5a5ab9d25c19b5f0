/**
 * Plans a boot: reads every file and checks every option before anything starts.
 * boot-options.ts declares the options; running-cn.ts runs the boot.
 */

import { UsageError } from "../../base/livelab-error.js";
import { type DiskFile, readDiskFile } from "../../vm/disk-file.js";
import type { DiskSpec, FirmwareSpec } from "../../vm/machine-spec.js";
import { findUefi } from "../../vm/qemu/find-uefi.js";
import type { FileWarning } from "../cn-files/file-warning.js";
import { type ImageFolder, readImageFolder } from "../cn-files/image-folder.js";
import { type NetworkingFile, readNetworkingFile } from "../cn-files/networking-json.js";
import { type NodeConfigFile, passwordPath, readNodeConfigFile } from "../cn-files/node-config.js";
import { bootScript, ownArguments } from "../headnode/boot-script.js";
import { bootScriptOptions } from "../headnode/headnode.js";
import { canBePlayed, defaultCnAddress } from "../headnode/user-network.js";
import { type BootMedium, type MediumOptions, planMedium } from "./boot-medium.js";
import {
  type BootSettings,
  type CommandLineBootOptions,
  DEFAULT_MAC,
  type GivenBootOptions,
  readBootOptions,
  recordOptions,
} from "./boot-options.js";
import { milestonesOn } from "./boot-way.js";
import {
  type CnapiArguments,
  checkCommandLine,
  cnapiArguments,
  collisionWarnings,
  linuxCommandLine,
} from "./kernel-arguments.js";

/** The files and folders of a boot, and its options (boot-options.ts). */
export interface BootOptions extends GivenBootOptions {
  /** The platform image: a folder with vmlinuz, initrd and filesystem.squashfs, or with these in its x86_64/. */
  readonly imageDir: string;
  /** Folder for the boot's report and logs. It is made if it is missing; older reports in it are replaced. */
  readonly reportDir: string;
  /** livelab's own folder, which keeps the verdict on KVM. */
  readonly stateDir: string;
  /** See MediumOptions. */
  readonly findLoaders?: MediumOptions["findLoaders"];
}

/** The checked options and the contents of the files. Options that are not listed here are as in BootSettings. */
export interface BootPlan
  extends Omit<BootSettings, "mac" | "medium" | "firmware" | "transport" | "chain" | "disks" | "plugs" | "port"> {
  /** The options of the command line as the caller gave them. */
  readonly given: CommandLineBootOptions;
  readonly image: ImageFolder;
  readonly medium: BootMedium;
  readonly firmware: FirmwareSpec;
  readonly reportDir: string;
  readonly stateDir: string;
  readonly networking: NetworkingFile | undefined;
  readonly nodeConfig: NodeConfigFile | undefined;
  /** Root's password on the console. Undefined when the image's own applies; the image may have none. */
  readonly rootPassword: string | undefined;
  /** Lower case, with colons. */
  readonly mac: string;
  readonly disks: readonly DiskSpec[];
  readonly plugs: readonly { readonly disk: DiskSpec; readonly when: RegExp }[];
  /** 0: any free port. */
  readonly port: number;
  /** CNAPI's kernel arguments, in the order booter gives them. */
  readonly kernelArguments: readonly string[];
  /** Problems of the files. The boot uses the files as they are. */
  readonly warnings: readonly FileWarning[];
}

/**
 * @throws UsageError MILESTONE_OFF_WAY, BAD_MAC, COMMAND_LINE_TOO_LONG, IMAGE_INCOMPLETE, NETWORKING_UNREADABLE,
 * NODE_CONFIG_UNREADABLE, DISK_UNREADABLE, DISK_UNUSABLE, RUN_NEEDS_LOGIN, PASSWORD_UNKNOWN, and those of
 * readBootOptions and planMedium
 * @throws VmError UEFI_NOT_FOUND
 */
export async function planBoot(options: BootOptions): Promise<BootPlan> {
  const { imageDir, reportDir, stateDir, findLoaders } = options;
  const settings = readBootOptions(options);
  const { run, until, nics, append: appended, networkingPath, nodeConfigPath } = settings;
  if (run.length > 0 && until !== "login") {
    throw new UsageError("RUN_NEEDS_LOGIN", `--run needs the login prompt, but the boot ends at ${until}`, {
      hint: "leave --until out",
    });
  }

  const image = await readImageFolder(imageDir);
  const networking = networkingPath === undefined ? undefined : await readNetworkingFile(networkingPath);
  const nodeConfig = nodeConfigPath === undefined ? undefined : await readNodeConfigFile(nodeConfigPath);
  const mac = settings.mac ?? networking?.adminVnic?.mac.toLowerCase() ?? DEFAULT_MAC;
  const twice = [mac, ...nics].find((each, index, all) => all.indexOf(each) !== index);
  if (twice !== undefined) {
    throw new UsageError("BAD_MAC", `two NICs have the MAC address ${twice}`, { hint: "give each NIC its own" });
  }
  if (run.length > 0 && nodeConfig?.rootShadow !== undefined && nodeConfig.rootPassword === undefined) {
    throw new UsageError(
      "PASSWORD_UNKNOWN",
      `--run logs in as root, but livelab does not know the password behind root_shadow in ${nodeConfig.path}`,
      {
        hint: `write the password into ${passwordPath(nodeConfig.path)}, or leave --run out and log in with --interactive`,
      },
    );
  }

  const medium = await planMedium({ ...settings, findLoaders }, image);
  const way = milestonesOn({ medium, networking, image });
  if (!way.includes(until)) {
    throw new UsageError("MILESTONE_OFF_WAY", `this boot does not pass the milestone ${until}`, {
      hint: `use one that it passes: ${way.join(", ")}`,
    });
  }

  const cnapi = {
    hostname: networking?.hostname === undefined ? undefined : `hostname=${networking.hostname}`,
    appended,
    nics: nicArguments(networking, mac),
  };
  const kernelArguments = cnapiArguments(cnapi);
  const argumentWarnings =
    medium.kind === "ipxe" ? judgeArguments({ image, mac, networking, medium, kernelArguments }, cnapi, settings) : [];

  const disks = await Promise.all(settings.disks.map(readDiskFile));
  const plugs = await Promise.all(
    settings.plugs.map(async ({ path, when }) => ({ disk: await readDiskFile(path), when })),
  );

  return {
    ...settings,
    given: recordOptions(options),
    image,
    medium,
    firmware: settings.firmware === "uefi" ? await findUefi() : { kind: "bios" },
    reportDir,
    stateDir,
    networking,
    nodeConfig,
    rootPassword: nodeConfig?.rootPassword,
    mac,
    disks: disks.map(specOf),
    plugs: plugs.map(({ disk, when }) => ({ disk: specOf(disk), when })),
    port: settings.port ?? 0,
    kernelArguments,
    warnings: [
      ...image.warnings,
      ...(networking?.warnings ?? []),
      ...(nodeConfig?.warnings ?? []),
      ...strangerWarnings(networking, mac),
      ...subnetWarnings(networking),
      ...argumentWarnings,
      ...[...disks, ...plugs.map(({ disk }) => disk)].flatMap(otherFileWarnings),
    ],
  };
}

/** @throws UsageError COMMAND_LINE_TOO_LONG */
function judgeArguments(
  headnode: Parameters<typeof bootScriptOptions>[0],
  cnapi: CnapiArguments,
  { firmware, port }: Pick<BootSettings, "firmware" | "port">,
): FileWarning[] {
  // The port may not be known yet: assume the longest, five digits.
  const script = bootScriptOptions(headnode, port ?? 65_535);
  const kernelLine = bootScript(script).split("\n")[1] ?? "";
  return [
    ...collisionWarnings(cnapi, ownArguments(script)),
    ...checkCommandLine(linuxCommandLine(kernelLine, firmware), cnapi.appended, headnode.networking?.path),
  ];
}

/** Adds admin_nic= if networking.json has no admin NIC: CNAPI always passes one. */
function nicArguments(networking: NetworkingFile | undefined, mac: string): readonly string[] {
  const given = networking?.nicArguments ?? [];
  return given.some((argument) => argument.startsWith("admin_nic=")) ? given : [`admin_nic=${mac}`, ...given];
}

/** Warns of a networking.json that does not describe the boot NIC: the CN cannot find itself in it. */
function strangerWarnings(networking: NetworkingFile | undefined, mac: string): FileWarning[] {
  if (networking === undefined || networking.vnics.length === 0) return [];
  if (networking.vnics.some((vnic) => vnic.mac.toLowerCase() === mac)) return [];
  return [
    {
      file: networking.path,
      place: "vnics",
      problem: `no vnic has the MAC ${mac} of the boot NIC, so the file describes no NIC of this CN`,
      remedy: "give --mac the MAC of the admin vnic, or leave it out",
    },
  ];
}

/** Warns of a netmask that leaves no address for a headnode: the CN gets the file, but boots from another subnet. */
function subnetWarnings(networking: NetworkingFile | undefined): FileWarning[] {
  const vnic = networking?.adminVnic;
  if (networking === undefined || vnic === undefined || canBePlayed(vnic)) return [];
  return [
    {
      file: networking.path,
      place: "vnics",
      problem: `the admin vnic's netmask ${vnic.netmask} leaves no address for a headnode, so the CN boots with the address ${defaultCnAddress.ip}`,
      remedy: "set a netmask between 240.0.0.0 and 255.255.255.252",
    },
  ];
}

const specOf = ({ path, format }: DiskFile): DiskSpec => ({ path, format });

/** Warns of the further files of a disk: the user named only one of them. */
function otherFileWarnings({ path, backing, dataFile }: DiskFile): FileWarning[] {
  const remedy = "keep that file as it is, or merge all into one file with `qemu-img convert -O qcow2`";
  return [
    ...(backing.length === 0
      ? []
      : [
          {
            file: path,
            place: "",
            problem: `is an overlay; the data that it does not hold comes from ${backing.join(", ")}`,
            remedy,
          },
        ]),
    ...(dataFile === undefined
      ? []
      : [{ file: path, place: "", problem: `keeps its data in ${dataFile}, and the CN writes to that file`, remedy }]),
  ];
}

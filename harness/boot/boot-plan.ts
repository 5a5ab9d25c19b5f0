/**
 * Plans a boot: reads every file and checks every option before anything starts.
 * boot-options.ts declares the options; running-cn.ts runs the boot.
 */

import { readFile } from "node:fs/promises";
import { UsageError } from "../../base/livelab-error.js";
import { type DiskFile, readDiskFile } from "../../vm/disk-file.js";
import type { DiskSpec, FirmwareSpec } from "../../vm/machine-spec.js";
import { findUefi } from "../../vm/qemu/find-uefi.js";
import type { FileWarning } from "../cn-files/file-warning.js";
import { type ImageFolder, readImageFolder } from "../cn-files/image-folder.js";
import { type NetworkingFile, readNetworkingFile } from "../cn-files/networking-json.js";
import { nicArguments } from "../cn-files/nic-tags.js";
import { type NodeConfigFile, passwordPath, readNodeConfigFile } from "../cn-files/node-config.js";
import type { BootModule } from "../headnode/boot-files.js";
import { type BootModuleSource, checkBootModules } from "../headnode/boot-module.js";
import { bootScript, ownArguments } from "../headnode/boot-script.js";
import { bootScriptOptions } from "../headnode/headnode.js";
import { nicTagsOf } from "../headnode/nic-tag.js";
import { canBePlayed, cnAddressFor, defaultCnAddress, userNetworkFor } from "../headnode/user-network.js";
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
  extends Omit<
    BootSettings,
    "mac" | "medium" | "firmware" | "transport" | "chain" | "disks" | "plugs" | "port" | "nicTags" | "bootModules"
  > {
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
  readonly bootModules: readonly BootModule[];
  /** CNAPI's kernel arguments, in the order booter gives them. */
  readonly kernelArguments: readonly string[];
  /** Problems of the files. The boot uses the files as they are. */
  readonly warnings: readonly FileWarning[];
}

/**
 * @throws UsageError MILESTONE_OFF_WAY, BAD_MAC, COMMAND_LINE_TOO_LONG, IMAGE_INCOMPLETE, NETWORKING_UNREADABLE,
 * NODE_CONFIG_UNREADABLE, BAD_NIC_TAG, BAD_BOOT_MODULE, BOOT_MODULE_UNREADABLE, NO_DHCP, DISK_UNREADABLE, DISK_UNUSABLE,
 * RUN_NEEDS_LOGIN, PASSWORD_UNKNOWN, and those of readBootOptions and planMedium
 * @throws VmError UEFI_NOT_FOUND
 */
export async function planBoot(options: BootOptions): Promise<BootPlan> {
  const { imageDir, reportDir, stateDir, findLoaders } = options;
  const settings = readBootOptions(options);
  const { run, until, nics, append: appended, networkingPath, nodeConfigPath, nicTags: givenTags, serial } = settings;
  if (run.length > 0 && until !== "login") {
    throw new UsageError("RUN_NEEDS_LOGIN", `--run needs the login prompt, but the boot ends at ${until}`, {
      hint: "leave --until out",
    });
  }

  if (networkingPath !== undefined && givenTags.length > 0) {
    throw new UsageError(
      "BAD_NIC_TAG",
      `--nic-tag is for a CN without networking.json, and ${networkingPath} has NIC tags`,
      {
        hint: "leave out --nic-tag or --networking",
      },
    );
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

  const bootModules = await readBootModules(settings.bootModules);
  const medium = await planMedium({ ...settings, findLoaders }, image);
  checkDhcp(settings, medium);
  const way = milestonesOn({ medium, networking, image });
  if (!way.includes(until)) {
    throw new UsageError("MILESTONE_OFF_WAY", `this boot does not pass the milestone ${until}`, {
      hint: `use one that it passes: ${way.join(", ")}`,
    });
  }

  const cnapi = {
    hostname: networking?.hostname === undefined ? undefined : `hostname=${networking.hostname}`,
    rabbitmq: `rabbitmq=guest:guest:${userNetworkFor(cnAddressFor(networking?.adminVnic)).rabbitmq}:5672`,
    appended,
    nics: nicArguments(networking?.nicTags ?? nicTagsOf(givenTags, mac), mac),
  };
  const kernelArguments = cnapiArguments(cnapi);
  const argumentWarnings =
    medium.kind === "ipxe"
      ? judgeArguments({ image, mac, networking, medium, kernelArguments, serial }, cnapi, settings)
      : [];

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
    bootModules,
    kernelArguments,
    warnings: [
      ...image.warnings,
      ...(networking?.warnings ?? []),
      ...(nodeConfig?.warnings ?? []),
      ...strangerWarnings(networking, mac),
      ...subnetWarnings(networking),
      ...argumentWarnings,
      ...bootModules.flatMap(folderWarnings),
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

/** @throws UsageError BAD_BOOT_MODULE, BOOT_MODULE_UNREADABLE */
async function readBootModules(sources: readonly BootModuleSource[]): Promise<readonly BootModule[]> {
  checkBootModules(sources.map(({ path }) => path));
  return await Promise.all(
    sources.map(async ({ path, file }) => {
      const bytes = await readFile(file).catch((cause) => {
        const message = `cannot read the boot module ${path}: ${(cause as Error).message}`;
        throw new UsageError("BOOT_MODULE_UNREADABLE", message, { cause, hint: "name an existing file after the =" });
      });
      if (bytes.length > 0) return { path, bytes };
      // iPXE's kernel does not start with a module of 0 bytes (measured).
      throw new UsageError("BOOT_MODULE_UNREADABLE", `the boot module ${path} is empty: ${file}`, {
        hint: "write something into it: Linux does not start with an empty module",
      });
    }),
  );
}

/** @throws UsageError NO_DHCP for options of a DHCP that does not answer */
function checkDhcp({ dhcpResolvers, dhcpGateway }: BootSettings, medium: BootMedium): void {
  if (medium.kind !== "ipxe" || medium.transport !== "http") return;
  if (dhcpResolvers.length === 0 && dhcpGateway === undefined) return;
  const flag = dhcpGateway === undefined ? "--dhcp-resolver" : "--dhcp-gateway";
  throw new UsageError("NO_DHCP", `${flag} has no effect with transport http, where QEMU's own DHCP answers`, {
    hint: "add --transport booter",
  });
}

/** Warns of a boot module in a folder that the initrd lacks: iPXE makes no folders, and Linux drops the file silently. */
function folderWarnings({ path }: BootModule): FileWarning[] {
  if (!path.includes("/") || path.startsWith("etc/")) return [];
  return [
    {
      file: `--boot-module ${path}`,
      place: "",
      problem: `the CN gets it only if its initrd has the folder /etc/triton-${path.slice(0, path.lastIndexOf("/"))}`,
      remedy: "use a path without a folder, or a folder of the image's /etc, as in etc/modprobe.d/x.conf",
    },
  ];
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

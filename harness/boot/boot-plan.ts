/**
 * A boot as it was asked for, checked before anything starts: every file read, every word understood.
 * The boot itself is run by running-cn.ts; the command line is parsed by cli/commands.ts.
 */

import { UsageError } from "../../base/livelab-error.js";
import { type DiskFile, readDiskFile } from "../../vm/disk-file.js";
import type { Accelerator, DiskSpec, FirmwareSpec } from "../../vm/machine-spec.js";
import { findUefi } from "../../vm/qemu/find-uefi.js";
import type { FileWarning } from "../cn-files/file-warning.js";
import { type ImageFolder, readImageFolder } from "../cn-files/image-folder.js";
import { type NetworkingFile, readNetworkingFile } from "../cn-files/networking-json.js";
import { type NodeConfigFile, passwordPath, readNodeConfigFile } from "../cn-files/node-config.js";
import { bootScript, ownArguments } from "../headnode/boot-script.js";
import { bootScriptOptions } from "../headnode/headnode.js";
import { canBePlayed, defaultCnAddress } from "../headnode/user-network.js";
import type { HostAddress } from "../wire/answering-host.js";
import { type BootMedium, type MediumOptions, notForMedium, parseMedium, planMedium } from "./boot-medium.js";
import { milestonesOn } from "./boot-way.js";
import {
  type CnapiArguments,
  checkAppended,
  checkCommandLine,
  cnapiArguments,
  collisionWarnings,
  linuxCommandLine,
} from "./kernel-arguments.js";
import { type MilestoneName, milestoneNames } from "./milestones.js";

export interface BootOptions extends MediumOptions {
  /** The platform image: a folder with vmlinuz, initrd and filesystem.squashfs, or with these in its x86_64/. */
  readonly imageDir: string;
  /** What the boot leaves goes here; made where it is missing, older reports in it are replaced. */
  readonly reportDir: string;
  /** livelab's own folder, where the verdict on KVM is kept. */
  readonly stateDir: string;
  /** networking.json for the CN. @default none, as for a CN that booter never wrote one for */
  readonly networkingPath?: string | undefined;
  /** node.config for the CN. @default one that sets nothing */
  readonly nodeConfigPath?: string | undefined;
  /** System UUID. @default 12345678-9abc-4def-8123-456789abcdef */
  readonly uuid?: string | undefined;
  /** MAC of the boot NIC, with colons. @default the admin vnic's in networking.json, else 52:54:00:99:00:38 */
  readonly mac?: string | undefined;
  /** MACs of more NICs. With any, all NICs, the first one included, are on one wire (wire/wire.ts). @default none */
  readonly nics?: readonly string[] | undefined;
  /** Addresses on the wire that answer ARP and ping. @default none */
  readonly peers?: readonly HostAddress[] | undefined;
  /** Disk images, raw or qcow2, that the CN may write to. @default none */
  readonly disks?: readonly string[] | undefined;
  /** Disk images that are plugged in while the CN runs. @default none */
  readonly plugs?: readonly PluggedDisk[] | undefined;
  /** More kernel arguments, each as CNAPI would have it. @default none */
  readonly append?: readonly string[] | undefined;
  /** Name of the milestone that makes the boot a success. @default "login" */
  readonly until?: string | undefined;
  /** Commands to run as root in the booted CN, in order, up to the first that fails. Needs the login milestone. */
  readonly run?: readonly string[] | undefined;
  /** The headnode's HTTP port. @default any free port */
  readonly port?: number | undefined;
  /** Names of files that the headnode does not have, as the end of a URL path: "vmlinuz". @default none */
  readonly missing?: readonly string[] | undefined;
  /** What the headnode serves in place of a file's own content, by the file's name: "networking.json.hash". @default none */
  readonly altered?: Readonly<Record<string, Uint8Array | string>> | undefined;
  /** @default "auto" */
  readonly accelerator?: "auto" | Accelerator | undefined;
  /** Guest memory in MiB. @default 2048 */
  readonly memoryMib?: number | undefined;
  /** Virtual CPUs. @default 2 */
  readonly cpus?: number | undefined;
}

export interface PluggedDisk {
  /** Raw or qcow2. */
  readonly path: string;
  /** The line on ttyS1 upon which it is plugged in. */
  readonly when: RegExp;
}

/** Options with every default filled in and every file read. */
export interface BootPlan {
  readonly image: ImageFolder;
  readonly medium: BootMedium;
  readonly firmware: FirmwareSpec;
  readonly reportDir: string;
  readonly stateDir: string;
  readonly networking: NetworkingFile | undefined;
  readonly nodeConfig: NodeConfigFile | undefined;
  /** Root's password on the console; undefined when root has the image's own, which may be none. */
  readonly rootPassword: string | undefined;
  /** Lower case. */
  readonly uuid: string;
  /** Lower case, with colons. */
  readonly mac: string;
  /** MACs of the other NICs, in the same form. */
  readonly nics: readonly string[];
  readonly peers: readonly HostAddress[];
  readonly disks: readonly DiskSpec[];
  readonly plugs: readonly { readonly disk: DiskSpec; readonly when: RegExp }[];
  /** CNAPI's kernel arguments, in the order booter gives them. */
  readonly kernelArguments: readonly string[];
  readonly until: MilestoneName;
  readonly run: readonly string[];
  readonly port: number;
  readonly missing: readonly string[];
  readonly altered: ReadonlyMap<string, Buffer>;
  readonly accelerator: "auto" | Accelerator;
  readonly memoryMib: number;
  readonly cpus: number;
  /** What is odd about the files; the boot goes on with them as they are. */
  readonly warnings: readonly FileWarning[];
}

/** The vector of triton's hostid: 73cb1ae8. */
const defaultUuid = "12345678-9abc-4def-8123-456789abcdef";
const defaultMac = "52:54:00:99:00:38";
/** Of a CN. */
export const DEFAULT_CPUS = 2;
/** Likewise, in MiB. */
export const DEFAULT_MEMORY_MIB = 2048;

/**
 * @throws UsageError UNKNOWN_MILESTONE, MILESTONE_OFF_WAY, BAD_UUID, BAD_MAC, BAD_APPEND, COMMAND_LINE_TOO_LONG, IMAGE_INCOMPLETE,
 * NETWORKING_UNREADABLE, NODE_CONFIG_UNREADABLE, DISK_UNREADABLE, DISK_UNUSABLE, RUN_NEEDS_LOGIN, PASSWORD_UNKNOWN, and of planMedium
 * @throws VmError UEFI_NOT_FOUND
 */
export async function planBoot(options: BootOptions): Promise<BootPlan> {
  refuseHeadnodeMatters(options);
  const run = options.run ?? [];
  const until = parseMilestone(options.until ?? "login");
  if (run.length > 0 && until !== "login") {
    throw new UsageError(
      "RUN_NEEDS_LOGIN",
      `commands are run after the login prompt, but the boot is to end at ${until}`,
      {
        hint: "leave --until out",
      },
    );
  }
  const uuid = (options.uuid ?? defaultUuid).toLowerCase();
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) {
    throw new UsageError("BAD_UUID", `${options.uuid} is not a UUID`, { hint: `write it like ${defaultUuid}` });
  }
  const appended = options.append ?? [];
  appended.forEach(checkAppended);

  const image = await readImageFolder(options.imageDir);
  const networking =
    options.networkingPath === undefined ? undefined : await readNetworkingFile(options.networkingPath);
  const nodeConfig =
    options.nodeConfigPath === undefined ? undefined : await readNodeConfigFile(options.nodeConfigPath);
  const mac = parseNicMac(options.mac ?? networking?.adminVnic?.mac ?? defaultMac);
  const nics = (options.nics ?? []).map(parseNicMac);
  const twice = [mac, ...nics].find((each, index, all) => all.indexOf(each) !== index);
  if (twice !== undefined) {
    throw new UsageError("BAD_MAC", `${twice} is to be the MAC address of two NICs`, { hint: "give each its own" });
  }
  if (run.length > 0 && nodeConfig?.rootShadow !== undefined && nodeConfig.rootPassword === undefined) {
    throw new UsageError(
      "PASSWORD_UNKNOWN",
      `commands are run as root, whose password is the one behind root_shadow in ${nodeConfig.path}, which livelab does not know`,
      { hint: `write it into ${passwordPath(nodeConfig.path)}, or leave --run out and log in with --interactive` },
    );
  }

  const medium = await planMedium(options, image);
  const way = milestonesOn({ medium, networking, image });
  if (!way.includes(until)) {
    throw new UsageError("MILESTONE_OFF_WAY", `a boot like this one does not pass ${until}`, {
      hint: `it passes ${way.join(", ")}`,
    });
  }

  const cnapi = {
    hostname: networking?.hostname === undefined ? undefined : `hostname=${networking.hostname}`,
    appended,
    nics: nicArguments(networking, mac),
  };
  const kernelArguments = cnapiArguments(cnapi);
  const argumentWarnings =
    medium.kind === "ipxe" ? judgeArguments({ image, mac, networking, medium, kernelArguments }, cnapi, options) : [];

  const disks = await Promise.all((options.disks ?? []).map(readDiskFile));
  const plugs = await Promise.all(
    (options.plugs ?? []).map(async ({ path, when }) => ({ disk: await readDiskFile(path), when })),
  );

  return {
    image,
    medium,
    firmware: parseMedium(options).firmware === "uefi" ? await findUefi() : { kind: "bios" },
    reportDir: options.reportDir,
    stateDir: options.stateDir,
    networking,
    nodeConfig,
    rootPassword: nodeConfig?.rootPassword,
    uuid,
    mac,
    nics,
    peers: options.peers ?? [],
    disks: disks.map(specOf),
    plugs: plugs.map(({ disk, when }) => ({ disk: specOf(disk), when })),
    kernelArguments,
    until,
    run,
    port: options.port ?? 0,
    missing: options.missing ?? [],
    altered: new Map(Object.entries(options.altered ?? {}).map(([name, content]) => [name, Buffer.from(content)])),
    accelerator: options.accelerator ?? "auto",
    memoryMib: options.memoryMib ?? DEFAULT_MEMORY_MIB,
    cpus: options.cpus ?? DEFAULT_CPUS,
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

/** What a medium cannot hand to the CN, since its files are as they were built. @throws UsageError NOT_FOR_MEDIUM */
function refuseHeadnodeMatters(options: BootOptions): void {
  const { medium } = parseMedium(options);
  if (medium === "ipxe") return;
  const { networkingPath, nodeConfigPath, append = [], port, missing = [], altered = {} } = options;
  if (networkingPath !== undefined) throw notForMedium("networking.json", medium);
  if (nodeConfigPath !== undefined) throw notForMedium("node.config", medium);
  if (append.length > 0) throw notForMedium("a kernel argument", medium);
  if (port !== undefined || missing.length > 0 || Object.keys(altered).length > 0) {
    throw notForMedium("what is served over HTTP", medium);
  }
}

/** @throws UsageError UNKNOWN_MILESTONE */
function parseMilestone(name: string): MilestoneName {
  const known = milestoneNames.find((each) => each === name);
  if (known !== undefined) return known;
  throw new UsageError("UNKNOWN_MILESTONE", `there is no milestone "${name}"`, {
    hint: `one of: ${milestoneNames.join(", ")}`,
  });
}

/** @throws UsageError COMMAND_LINE_TOO_LONG */
function judgeArguments(
  headnode: Parameters<typeof bootScriptOptions>[0],
  cnapi: CnapiArguments,
  options: BootOptions,
): FileWarning[] {
  const { firmware } = parseMedium(options);
  // A port that is not known yet may have five digits.
  const script = bootScriptOptions(headnode, options.port || 65_535);
  const kernelLine = bootScript(script).split("\n")[1] ?? "";
  return [
    ...collisionWarnings(cnapi, ownArguments(script)),
    ...checkCommandLine(linuxCommandLine(kernelLine, firmware), cnapi.appended, headnode.networking?.path),
  ];
}

/** There is always an admin_nic. */
function nicArguments(networking: NetworkingFile | undefined, mac: string): readonly string[] {
  const given = networking?.nicArguments ?? [];
  return given.some((argument) => argument.startsWith("admin_nic=")) ? given : [`admin_nic=${mac}`, ...given];
}

/** @throws UsageError BAD_MAC */
function parseNicMac(text: string): string {
  const mac = text.toLowerCase();
  // The lowest bit of the first byte marks a group address, which no NIC has.
  if (/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/.test(mac)) return mac;
  throw new UsageError("BAD_MAC", `${mac} is not the MAC address of a NIC`, { hint: `write it like ${defaultMac}` });
}

/** A file that speaks of other NICs than the CN's: the CN will not find itself in it. */
function strangerWarnings(networking: NetworkingFile | undefined, mac: string): FileWarning[] {
  if (networking === undefined || networking.vnics.length === 0) return [];
  if (networking.vnics.some((vnic) => vnic.mac.toLowerCase() === mac)) return [];
  return [
    {
      file: networking.path,
      place: "vnics",
      problem: `no vnic has the MAC ${mac} of the boot NIC, so the CN has no NIC that the file speaks of`,
      remedy: "give --mac the MAC of the admin vnic, or leave it out",
    },
  ];
}

/** A netmask that leaves no room for a headnode: the CN gets the file, and boots from elsewhere. */
function subnetWarnings(networking: NetworkingFile | undefined): FileWarning[] {
  const vnic = networking?.adminVnic;
  if (networking === undefined || vnic === undefined || canBePlayed(vnic)) return [];
  return [
    {
      file: networking.path,
      place: "vnics",
      problem: `the admin vnic's netmask ${vnic.netmask} makes no subnet that a headnode can be on, so the CN boots as ${defaultCnAddress.ip}`,
      remedy: "give it a netmask between 240.0.0.0 and 255.255.255.252",
    },
  ];
}

const specOf = ({ path, format }: DiskFile): DiskSpec => ({ path, format });

/** A disk of several files: what becomes of those that were not named. */
function otherFileWarnings({ path, backing, dataFile }: DiskFile): FileWarning[] {
  const remedy = "keep that file as it is, or put all into one with `qemu-img convert -O qcow2`";
  return [
    ...(backing.length === 0
      ? []
      : [
          {
            file: path,
            place: "",
            problem: `is an overlay, and reads what it does not hold from ${backing.join(", ")}`,
            remedy,
          },
        ]),
    ...(dataFile === undefined
      ? []
      : [{ file: path, place: "", problem: `has its data in ${dataFile}, so the CN writes there`, remedy }]),
  ];
}

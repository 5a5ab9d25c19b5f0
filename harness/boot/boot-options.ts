/**
 * The options of a boot. Each is declared once, in `bootOptions`. The flags of `livelab boot` with their help, the settings of
 * a scenario, the values of a boot plan and the record in a boot's report are derived from the declaration.
 * To add an option, declare it and use its value, `plan.NAME`, where it acts.
 */

import { isIPv4 } from "node:net";
import { processors } from "../../base/host-capacity.js";
import { UsageError } from "../../base/livelab-error.js";
import { parseCount } from "../../base/parse-count.js";
import { isHostAddress } from "../cn-files/ipv4.js";
import { isNicMac } from "../cn-files/nic-mac.js";
import { parseBootModule } from "../headnode/boot-module.js";
import { transportNames } from "../headnode/headnode.js";
import { parseNicTag } from "../headnode/nic-tag.js";
import { serialNames } from "../headnode/serial-port.js";
import { parseHostAddress } from "../wire/answering-host.js";
import { firmwareNames, mediumNames, notForMedium } from "./boot-medium.js";
import { checkAppended } from "./kernel-arguments.js";
import { type MilestoneName, milestoneNames } from "./milestones.js";

interface Declared {
  /** What the headnode passes to the CN by this option. A boot from a medium has no headnode and rejects the option. */
  readonly fromHeadnode?: string;
  /** Whether `livelab test` sets the option of each boot; a scenario then may not set it. @default false */
  readonly isSetByTest?: true;
}

interface OnCommandLine extends Declared {
  /** The flag and its argument: "--mac <mac>". */
  readonly flags: string;
  /** The flag's line in `livelab boot --help`, without its choices and its default. */
  readonly help: string;
}

/** An option with an argument. */
export interface ValueOption extends OnCommandLine {
  readonly kind: "value";
  /** @throws UsageError for an invalid text */
  readonly parse: (text: string) => unknown;
  /** All valid texts, if there are few. */
  readonly choices?: readonly string[];
  /** The text used when the option is absent. @default none: the plan has undefined */
  readonly default?: string;
}

/** An option with an argument that may be given several times. */
export interface ListOption extends OnCommandLine {
  readonly kind: "list";
  /** Parses one argument. @throws UsageError for an invalid text */
  readonly parse: (text: string) => unknown;
}

/** An option without an argument. */
export interface SwitchOption extends OnCommandLine {
  readonly kind: "switch";
}

/** An option that only code sets: a scenario, or `livelab test`. */
interface CodeOption extends Declared {
  readonly kind: "code";
  /** Fills in the default. */
  readonly read: (given: never) => unknown;
}

export type CommandLineOption = ValueOption | ListOption | SwitchOption;
type BootOption = CommandLineOption | CodeOption;

export interface PluggedDisk {
  /** Raw or qcow2. */
  readonly path: string;
  /** The disk is plugged in when a line on the console matches. */
  readonly when: RegExp;
}

const acceleratorNames = ["auto", "kvm", "tcg"] as const;
/** Virtual CPUs of a CN on a host with at least as many processors. More than the host has wait for each other's locks. */
export const DEFAULT_CPUS = 2;
/** Memory of a CN, in MiB. */
export const DEFAULT_MEMORY_MIB = 2048;
/** The test vector of Triton's hostid: this UUID gives 73cb1ae8. */
const DEFAULT_UUID = "12345678-9abc-4def-8123-456789abcdef";
/** MAC of the boot NIC when neither an option nor networking.json names one. */
export const DEFAULT_MAC = "52:54:00:99:00:38";

const asWritten = (text: string): string => text;

/** Accepts one of a few words. @param code code of the UsageError for any other word */
const choice = <Name extends string>(choices: readonly Name[], code: string) => ({
  choices,
  parse: (text: string): Name => {
    const found = choices.find((name) => name === text);
    if (found !== undefined) return found;
    throw new UsageError(code, `"${text}" is not one of ${choices.join(", ")}`);
  },
});

/** The order is that of `livelab boot --help`. */
export const bootOptions = {
  networkingPath: {
    kind: "value",
    flags: "--networking <file>",
    help: "networking.json for the CN (default: none)",
    parse: asWritten,
    fromHeadnode: "networking.json",
  },
  nodeConfigPath: {
    kind: "value",
    flags: "--node-config <file>",
    help: "node.config for the CN (default: an empty one)",
    parse: asWritten,
    fromHeadnode: "node.config",
  },
  /** Lower case in the plan. */
  uuid: {
    kind: "value",
    flags: "--uuid <uuid>",
    help: "system UUID, as dmidecode prints it",
    parse: parseUuid,
    default: DEFAULT_UUID,
  },
  /** Lower case in the plan. */
  mac: {
    kind: "value",
    flags: "--mac <mac>",
    help: `MAC of the boot NIC (default: the admin vnic's in networking.json, else ${DEFAULT_MAC})`,
    parse: parseNicMac,
  },
  /** With at least one, all NICs, including the first, are on one wire (wire/wire.ts). */
  nics: { kind: "list", flags: "--nic <mac>", help: "add a NIC with this MAC", parse: parseNicMac },
  peers: {
    kind: "list",
    flags: "--peer <address>",
    help: "add a host that answers ARP and ping: IP[/VLAN][,routed]",
    parse: parseHostAddress,
  },
  /** The CN may write to them. */
  disks: {
    kind: "list",
    flags: "--disk <file>",
    help: "attach a disk image, raw or qcow2; the CN may write to it",
    parse: asWritten,
    isSetByTest: true,
  },
  /** Each is written as in CNAPI. */
  append: {
    kind: "list",
    flags: "--append <argument>",
    help: "add a kernel argument, as CNAPI would",
    parse: (argument: string): string => {
      checkAppended(argument);
      return argument;
    },
    fromHeadnode: "a kernel argument",
  },
  /** They stand for the NIC tags of networking.json, which booter does not write for a CN without an admin NIC. */
  nicTags: {
    kind: "list",
    flags: "--nic-tag <tag>",
    help: "without --networking: the boot NIC provides this NIC tag; TAG=MAC: another NIC does",
    parse: parseNicTag,
    fromHeadnode: "a NIC tag",
  },
  bootModules: {
    kind: "list",
    flags: "--boot-module <path=file>",
    help: "add a boot module, as CNAPI would: FILE becomes /etc/triton-PATH of the CN",
    parse: parseBootModule,
    fromHeadnode: "a boot module",
  },
  serial: {
    kind: "value",
    flags: "--serial <port>",
    help: "serial port for Linux, by its name in CNAPI: ttya is ttyS0, ttyb is ttyS1, and so on",
    ...choice(serialNames, "UNKNOWN_SERIAL"),
    default: "ttyb",
    fromHeadnode: "the serial port for Linux",
  },
  medium: {
    kind: "value",
    flags: "--medium <medium>",
    help: "medium to boot from",
    ...choice(mediumNames, "UNKNOWN_MEDIUM"),
    default: "ipxe",
  },
  firmware: {
    kind: "value",
    flags: "--firmware <firmware>",
    help: "firmware of the CN",
    ...choice(firmwareNames, "UNKNOWN_FIRMWARE"),
    default: "bios",
  },
  accelerator: {
    kind: "value",
    flags: "--accel <accelerator>",
    help: "run with KVM, or emulated (tcg); auto uses KVM if it works",
    ...choice(acceleratorNames, "UNKNOWN_ACCELERATOR"),
    default: "auto",
    isSetByTest: true,
  },
  /** How iPXE gets its files. */
  transport: {
    kind: "value",
    flags: "--transport <transport>",
    help: "how iPXE gets its files: http for all; booter: script and kernel by TFTP, the rest by HTTP; tftp for all (default: http; with --chain or UEFI: booter)",
    ...choice(transportNames, "UNKNOWN_TRANSPORT"),
    fromHeadnode: "a transport",
  },
  /** See MediumOptions. */
  chain: {
    kind: "switch",
    flags: "--chain",
    help: "make the NIC's PXE load iPXE first, as on real hardware; UEFI always does",
    fromHeadnode: "a chain of boot loaders",
  },
  dhcpResolvers: {
    kind: "list",
    flags: "--dhcp-resolver <address>",
    help: "add a resolver of the headnode's DHCP, after those of the NIC",
    parse: parseDhcpAddress,
    fromHeadnode: "a resolver of its DHCP",
  },
  dhcpGateway: {
    kind: "value",
    flags: "--dhcp-gateway <address>",
    help: "default gateway of the headnode's DHCP (default: none)",
    parse: parseDhcpAddress,
    fromHeadnode: "the gateway of its DHCP",
  },
  port: {
    kind: "value",
    flags: "--port <port>",
    help: "port of the headnode's HTTP server (default: any free port)",
    parse: (text: string): number => parseCount("--port", text, 1),
    fromHeadnode: "what is served over HTTP",
    isSetByTest: true,
  },
  until: {
    kind: "value",
    flags: "--until <milestone>",
    help: "milestone at which the boot counts as passed",
    parse: parseMilestone,
    default: "login",
    isSetByTest: true,
  },
  /** Commands to run as root in the booted CN, in order, up to the first that fails. They need the login milestone. */
  run: {
    kind: "list",
    flags: "--run <command>",
    help: "log in as root on the console and run this command",
    parse: asWritten,
    isSetByTest: true,
  },
  /** Disk images to plug in while the CN runs. */
  plugs: { kind: "code", read: (plugs: readonly PluggedDisk[] = []) => plugs, isSetByTest: true },
  /** Names of files that the headnode answers with 404, as the end of a URL path: "vmlinuz". */
  missing: {
    kind: "code",
    read: (names: readonly string[] = []) => names,
    fromHeadnode: "what is served over HTTP",
  },
  /** Contents that the headnode serves instead of a file's own, by the file's name: "networking.json.hash". */
  altered: {
    kind: "code",
    read: (contents: Readonly<Record<string, Uint8Array | string>> = {}): ReadonlyMap<string, Buffer> =>
      new Map(Object.entries(contents).map(([name, content]) => [name, Buffer.from(content)])),
    fromHeadnode: "what is served over HTTP",
  },
  /** Guest memory in MiB. */
  memoryMib: { kind: "code", read: (mib = DEFAULT_MEMORY_MIB) => mib },
  /** Virtual CPUs. */
  cpus: { kind: "code", read: (count = Math.min(DEFAULT_CPUS, processors())) => count },
} as const satisfies Readonly<Record<string, BootOption>>;

type Options = typeof bootOptions;

type GivenOf<Option extends BootOption> = Option extends CodeOption
  ? Exclude<Parameters<Option["read"]>[0], undefined>
  : Option extends SwitchOption
    ? boolean
    : Option extends ListOption
      ? readonly string[]
      : string;

type ValueOf<Option extends BootOption> = Option extends CodeOption
  ? ReturnType<Option["read"]>
  : Option extends ListOption
    ? readonly ReturnType<Option["parse"]>[]
    : Option extends ValueOption
      ? ReturnType<Option["parse"]> | (Option extends { readonly default: string } ? never : undefined)
      : boolean;

/** The options as the caller gives them: texts for those of the command line. An absent option has its default. */
export type GivenBootOptions = { readonly [Name in keyof Options]?: GivenOf<Options[Name]> | undefined };

/** The options that a scenario may set. */
export type ScenarioSettings = {
  readonly [Name in keyof Options as Options[Name] extends { readonly isSetByTest: true } ? never : Name]?:
    | GivenOf<Options[Name]>
    | undefined;
};

/** The options that have a flag, by name. */
export const commandLineOptions = Object.entries<BootOption>(bootOptions).filter(
  (entry): entry is [keyof CommandLineBootOptions, CommandLineOption] => entry[1].kind !== "code",
);

/** The options that have a flag, as the caller gives them. */
export type CommandLineBootOptions = {
  readonly [Name in keyof Options as Options[Name] extends { readonly flags: string } ? Name : never]?:
    | GivenOf<Options[Name]>
    | undefined;
};

/** The options with every text parsed and every default filled in. */
export type BootSettings = { readonly [Name in keyof Options]: ValueOf<Options[Name]> };

/**
 * Parses the options and fills in the defaults.
 * @throws UsageError NOT_FOR_MEDIUM for an option that needs a headnode, in a boot without one
 * @throws UsageError UNKNOWN_MEDIUM, UNKNOWN_FIRMWARE, UNKNOWN_ACCELERATOR, UNKNOWN_TRANSPORT, UNKNOWN_SERIAL, UNKNOWN_MILESTONE,
 * BAD_UUID, BAD_MAC, BAD_PEER, BAD_APPEND, BAD_NIC_TAG, BAD_BOOT_MODULE, BAD_DHCP_ADDRESS, BAD_COUNT
 */
export function readBootOptions(given: GivenBootOptions): BootSettings {
  const entries = Object.entries<BootOption>(bootOptions).map(
    ([name, option]) => [name, option, given[name as keyof GivenBootOptions]] as const,
  );
  const settings = Object.fromEntries(entries.map(([name, option, value]) => [name, readOption(option, value)]));
  const { medium } = settings as BootSettings;
  for (const [, option, value] of entries) {
    // The command line passes defaults, too.
    const isDefault = option.kind === "value" && value === option.default;
    if (medium !== "ipxe" && option.fromHeadnode !== undefined && isSet(value) && !isDefault) {
      throw notForMedium(option.fromHeadnode, medium);
    }
  }
  return settings as BootSettings;
}

function readOption(option: BootOption, given: unknown): unknown {
  switch (option.kind) {
    case "value": {
      const text = (given as string | undefined) ?? option.default;
      return text === undefined ? undefined : option.parse(text);
    }
    case "list":
      return ((given as readonly string[] | undefined) ?? []).map((text) => option.parse(text));
    case "switch":
      return given === true;
    case "code":
      return option.read(given as never);
    default:
      return option satisfies never;
  }
}

/** Whether an option differs from its empty default. */
const isSet = (given: unknown): boolean =>
  typeof given === "object" && given !== null ? Object.keys(given).length > 0 : given !== undefined && given !== false;

/** Returns the options of the command line as the caller gave them. */
export const recordOptions = (given: GivenBootOptions): CommandLineBootOptions =>
  Object.fromEntries(commandLineOptions.map(([name]) => [name, given[name]]));

/** @throws UsageError BAD_UUID */
function parseUuid(text: string): string {
  const uuid = text.toLowerCase();
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) return uuid;
  throw new UsageError("BAD_UUID", `${text} is not a UUID`, { hint: `write it like ${DEFAULT_UUID}` });
}

/** Reads the MAC of a NIC. @returns it in lower case @throws UsageError BAD_MAC */
function parseNicMac(text: string): string {
  const mac = text.toLowerCase();
  if (isNicMac(mac)) return mac;
  throw new UsageError("BAD_MAC", `${mac} is not the MAC address of a NIC`, { hint: `write it like ${DEFAULT_MAC}` });
}

/** @throws UsageError BAD_DHCP_ADDRESS */
function parseDhcpAddress(text: string): string {
  if (isIPv4(text) && isHostAddress(text)) return text;
  throw new UsageError("BAD_DHCP_ADDRESS", `${JSON.stringify(text)} is not the IPv4 address of a host`, {
    hint: "write it like 10.99.99.1",
  });
}

/** @throws UsageError UNKNOWN_MILESTONE */
function parseMilestone(name: string): MilestoneName {
  const known = milestoneNames.find((each) => each === name);
  if (known !== undefined) return known;
  throw new UsageError("UNKNOWN_MILESTONE", `there is no milestone "${name}"`, {
    hint: `use one of: ${milestoneNames.join(", ")}`,
  });
}

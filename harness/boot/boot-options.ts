/**
 * The options of a boot. Each is declared once, in `bootOptions`; the flags of `livelab boot` with their help, what a scenario may
 * set, the values of a boot plan and the record in a boot's report follow from there.
 * To add an option, declare it and use its value, `plan.NAME`, where it acts.
 */
import { UsageError } from "../../base/livelab-error.js";
import { parseCount } from "../../base/parse-count.js";
import { transportNames } from "../headnode/headnode.js";
import { parseHostAddress } from "../wire/answering-host.js";
import { firmwareNames, mediumNames, notForMedium } from "./boot-medium.js";
import { checkAppended } from "./kernel-arguments.js";
import { type MilestoneName, milestoneNames } from "./milestones.js";

interface Declared {
  /** What the headnode brings to the CN by this option. A boot from a medium has no headnode, and refuses the option. */
  readonly fromHeadnode?: string;
  /** Whether `livelab test` sets the option of each boot, so that a scenario may not. @default false */
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
  /** @throws UsageError for a text that has no meaning */
  readonly parse: (text: string) => unknown;
  /** All texts that have a meaning, where they are few. */
  readonly choices?: readonly string[];
  /** The text that an absent option stands for. @default none: the plan has undefined */
  readonly default?: string;
}

/** An option with an argument that may be given several times. */
export interface ListOption extends OnCommandLine {
  readonly kind: "list";
  /** Parses one argument. @throws UsageError for a text that has no meaning */
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
  /** The line on ttyS1 upon which it is plugged in. */
  readonly when: RegExp;
}

const acceleratorNames = ["auto", "kvm", "tcg"] as const;
/** Virtual CPUs of a CN. */
export const DEFAULT_CPUS = 2;
/** Memory of a CN, in MiB. */
export const DEFAULT_MEMORY_MIB = 2048;
/** The vector of triton's hostid: 73cb1ae8. */
const DEFAULT_UUID = "12345678-9abc-4def-8123-456789abcdef";
/** MAC of the boot NIC where nothing names another. */
export const DEFAULT_MAC = "52:54:00:99:00:38";

const asWritten = (text: string): string => text;

/** One of a few words. @param code of the UsageError for any other word */
const choice = <Name extends string>(choices: readonly Name[], code: string) => ({
  choices,
  parse: (text: string): Name => {
    const found = choices.find((name) => name === text);
    if (found !== undefined) return found;
    throw new UsageError(code, `"${text}" is not one of ${choices.join(", ")}`);
  },
});

/** In the order of `livelab boot --help`. */
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
  /** With any, all NICs, the first one included, are on one wire (wire/wire.ts). */
  nics: { kind: "list", flags: "--nic <mac>", help: "one more NIC, of this MAC", parse: parseNicMac },
  peers: {
    kind: "list",
    flags: "--peer <address>",
    help: "a host that answers ARP and ping: IP[/VLAN][,routed]",
    parse: parseHostAddress,
  },
  /** The CN may write to them. */
  disks: {
    kind: "list",
    flags: "--disk <file>",
    help: "disk image, raw or qcow2",
    parse: asWritten,
    isSetByTest: true,
  },
  /** Each as CNAPI would have it. */
  append: {
    kind: "list",
    flags: "--append <argument>",
    help: "kernel argument",
    parse: (argument: string): string => {
      checkAppended(argument);
      return argument;
    },
    fromHeadnode: "a kernel argument",
  },
  medium: {
    kind: "value",
    flags: "--medium <medium>",
    help: "what to boot from",
    ...choice(mediumNames, "UNKNOWN_MEDIUM"),
    default: "ipxe",
  },
  firmware: {
    kind: "value",
    flags: "--firmware <firmware>",
    help: "of the CN",
    ...choice(firmwareNames, "UNKNOWN_FIRMWARE"),
    default: "bios",
  },
  accelerator: {
    kind: "value",
    flags: "--accel <accelerator>",
    help: "KVM or emulation",
    ...choice(acceleratorNames, "UNKNOWN_ACCELERATOR"),
    default: "auto",
    isSetByTest: true,
  },
  /** How the files of an iPXE boot come. */
  transport: {
    kind: "value",
    flags: "--transport <transport>",
    help: "all by HTTP, script and kernel by TFTP as from a booter, or all by TFTP (default: http; with --chain or UEFI: booter)",
    ...choice(transportNames, "UNKNOWN_TRANSPORT"),
    fromHeadnode: "a transport",
  },
  /** By option 93, as a booter has it. On BIOS QEMU's ROM, which is an iPXE itself, is then taken for a plain one. */
  chain: {
    kind: "switch",
    flags: "--chain",
    help: "let the NIC's PXE load an iPXE first, as on real hardware; with UEFI it always does",
    fromHeadnode: "a chain of boot loaders",
  },
  port: {
    kind: "value",
    flags: "--port <port>",
    help: "the headnode's HTTP port (default: any free one)",
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
  /** Run as root in the booted CN, in order, up to the first that fails. Needs the login milestone. */
  run: {
    kind: "list",
    flags: "--run <command>",
    help: "log in on ttyS1 and run this",
    parse: asWritten,
    isSetByTest: true,
  },
  /** Disk images that are plugged in while the CN runs. */
  plugs: { kind: "code", read: (plugs: readonly PluggedDisk[] = []) => plugs, isSetByTest: true },
  /** Names of files that the headnode does not have, as the end of a URL path: "vmlinuz". */
  missing: {
    kind: "code",
    read: (names: readonly string[] = []) => names,
    fromHeadnode: "what is served over HTTP",
  },
  /** What the headnode serves in place of a file's own content, by the file's name: "networking.json.hash". */
  altered: {
    kind: "code",
    read: (contents: Readonly<Record<string, Uint8Array | string>> = {}): ReadonlyMap<string, Buffer> =>
      new Map(Object.entries(contents).map(([name, content]) => [name, Buffer.from(content)])),
    fromHeadnode: "what is served over HTTP",
  },
  /** Guest memory in MiB. */
  memoryMib: { kind: "code", read: (mib = DEFAULT_MEMORY_MIB) => mib },
  /** Virtual CPUs. */
  cpus: { kind: "code", read: (count = DEFAULT_CPUS) => count },
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

/** The options as they are given: texts for those of the command line. Each has its default. */
export type GivenBootOptions = { readonly [Name in keyof Options]?: GivenOf<Options[Name]> | undefined };

/** Those that a scenario may set. */
export type ScenarioSettings = {
  readonly [Name in keyof Options as Options[Name] extends { readonly isSetByTest: true } ? never : Name]?:
    | GivenOf<Options[Name]>
    | undefined;
};

/** Those that have a flag, by name. */
export const commandLineOptions = Object.entries<BootOption>(bootOptions).filter(
  (entry): entry is [keyof CommandLineBootOptions, CommandLineOption] => entry[1].kind !== "code",
);

/** Those that have a flag, as they are given. */
export type CommandLineBootOptions = {
  readonly [Name in keyof Options as Options[Name] extends { readonly flags: string } ? Name : never]?:
    | GivenOf<Options[Name]>
    | undefined;
};

/** The options with every text parsed and every default filled in. */
export type BootSettings = { readonly [Name in keyof Options]: ValueOf<Options[Name]> };

/**
 * @throws UsageError NOT_FOR_MEDIUM for what only a headnode brings, in a boot without one
 * @throws UsageError UNKNOWN_MEDIUM, UNKNOWN_FIRMWARE, UNKNOWN_ACCELERATOR, UNKNOWN_TRANSPORT, UNKNOWN_MILESTONE, BAD_UUID, BAD_MAC,
 * BAD_PEER, BAD_APPEND, BAD_COUNT
 */
export function readBootOptions(given: GivenBootOptions): BootSettings {
  const entries = Object.entries<BootOption>(bootOptions).map(
    ([name, option]) => [name, option, given[name as keyof GivenBootOptions]] as const,
  );
  const settings = Object.fromEntries(entries.map(([name, option, value]) => [name, readOption(option, value)]));
  const { medium } = settings as BootSettings;
  for (const [, { fromHeadnode }, value] of entries) {
    if (medium !== "ipxe" && fromHeadnode !== undefined && isSet(value)) throw notForMedium(fromHeadnode, medium);
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

/** Whether an option is more than its empty default. */
const isSet = (given: unknown): boolean =>
  typeof given === "object" && given !== null ? Object.keys(given).length > 0 : given !== undefined && given !== false;

/** Those of the command line, as they were given. */
export const recordOptions = (given: GivenBootOptions): CommandLineBootOptions =>
  Object.fromEntries(commandLineOptions.map(([name]) => [name, given[name]]));

/** @throws UsageError BAD_UUID */
function parseUuid(text: string): string {
  const uuid = text.toLowerCase();
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) return uuid;
  throw new UsageError("BAD_UUID", `${text} is not a UUID`, { hint: `write it like ${DEFAULT_UUID}` });
}

/** Reads the MAC of a NIC. @returns it in lower case @throws UsageError BAD_MAC */
export function parseNicMac(text: string): string {
  const mac = text.toLowerCase();
  // The lowest bit of the first byte marks a group address, which no NIC has.
  if (/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/.test(mac)) return mac;
  throw new UsageError("BAD_MAC", `${mac} is not the MAC address of a NIC`, { hint: `write it like ${DEFAULT_MAC}` });
}

/** @throws UsageError UNKNOWN_MILESTONE */
function parseMilestone(name: string): MilestoneName {
  const known = milestoneNames.find((each) => each === name);
  if (known !== undefined) return known;
  throw new UsageError("UNKNOWN_MILESTONE", `there is no milestone "${name}"`, {
    hint: `one of: ${milestoneNames.join(", ")}`,
  });
}

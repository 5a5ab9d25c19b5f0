/**
 * The headnode of one boot: the servers from which a CN loads its platform on the admin network.
 * It serves HTTP itself. DHCP and TFTP are services on the CN's wire, except with transport "http": then QEMU's user
 * networking answers DHCP and names the script.
 * Source: sdc-booter (dhcpd, file service).
 */
import { basename } from "node:path";
import { DisposableStack } from "../../base/disposable-stack.js";
import type { ImageFolder } from "../cn-files/image-folder.js";
import type { NetworkingFile, Vnic } from "../cn-files/networking-json.js";
import type { NodeConfigFile } from "../cn-files/node-config.js";
import type { FrameService } from "../wire/wire.js";
import { type BootModule, bootFilesOf } from "./boot-files.js";
import { type BootScriptOptions, bootScript, bootScriptName } from "./boot-script.js";
import { type BooterAddress, BooterDhcp } from "./dhcp-rules.js";
import { type DhcpExchange, DhcpService } from "./dhcp-service.js";
import { FileServer } from "./file-server.js";
import { menuLst, menuLstName } from "./menu-lst.js";
import { loaderNames, type PublishedTree, publishedTree } from "./published-tree.js";
import type { SerialName } from "./serial-port.js";
import { TftpService } from "./tftp-service.js";
import { Transcript } from "./transcript.js";
import { type CnAddress, cnAddressFor, type UserNetwork, userNetworkFor } from "./user-network.js";

/** A headnode's default for dhcp_lease_time, in seconds. */
const LEASE_SECONDS = 2_592_000;

/**
 * How the files of an iPXE boot reach the CN.
 * - `http`: all files by HTTP, the script included. QEMU's DHCP gives the script's URL, which booter does not do
 * - `booter`: as from booter: script and kernel by TFTP, the rest by HTTP; the headnode's own DHCP answers
 * - `tftp`: as from booter with http_pxe_boot=false: all files by TFTP
 */
export const transportNames = ["http", "booter", "tftp"] as const;
export type Transport = (typeof transportNames)[number];

/** How a CN that boots by network gets its files. */
export interface NetbootMedium {
  readonly transport: Transport;
  /**
   * Folder with undionly.kpxe and snponly.efi. The firmware's PXE loads one of them first, as on real hardware.
   * Undefined: QEMU's own ROM is the iPXE.
   */
  readonly loaderDir: string | undefined;
}

export interface HeadnodeOptions {
  readonly image: ImageFolder;
  /** MAC of the CN's boot NIC, with colons, any case. */
  readonly mac: string;
  /** @default booter has no networking.json for this CN, and the script loads none */
  readonly networking?: NetworkingFile | undefined;
  /** @default a node.config without settings */
  readonly nodeConfig?: NodeConfigFile | undefined;
  /** CNAPI's kernel arguments, in CNAPI's order. @default [] */
  readonly kernelArguments?: readonly string[];
  /** CNAPI's `serial` of the CN. @default "ttyb" */
  readonly serial?: SerialName;
  /** CNAPI's boot_modules of the CN. @default [] */
  readonly bootModules?: readonly BootModule[];
  /** booter's own resolvers, which its DHCP names after the CN's. @default [] */
  readonly dhcpResolvers?: readonly string[];
  /** booter's defaultGateway, which its DHCP names. @default none */
  readonly dhcpGateway?: string | undefined;
  /** How the CN gets these files. @default all by HTTP */
  readonly medium?: NetbootMedium;
  /** The CN's firmware. @default "bios" */
  readonly firmware?: "bios" | "uefi";
  /** @default 0, any free port */
  readonly port?: number;
  /** Names of existing files that are answered with 404 nevertheless, e.g. "vmlinuz". @default [] */
  readonly missing?: readonly string[];
  /** Content to serve instead of a file's own, by the file's name. @default none */
  readonly altered?: ReadonlyMap<string, Buffer>;
  /** Milliseconds since power-on, for the transcript. */
  readonly now: () => number;
  /** File for the transcript's JSON lines. @default no file */
  readonly transcriptPath?: string;
  /** Receives errors that neither a client nor the disk caused. @default the error is thrown uncaught */
  readonly onDefect?: ((error: Error) => void) | undefined;
}

/** The settings of QEMU's user networking. */
export interface HeadnodeNetwork extends UserNetwork {
  /** DHCP's boot file if QEMU's DHCP answers, undefined if the headnode's does. */
  readonly bootFile: string | undefined;
}

export class Headnode implements AsyncDisposable {
  readonly network: HeadnodeNetwork;
  readonly transcript: Transcript;
  readonly bootScript: string;
  /** URL path of each file that the boot script names, by its role in the boot. */
  readonly paths: HeadnodePaths;
  readonly port: number;
  /** DHCP and TFTP, to attach to the CN's wire. Empty if QEMU's user networking names the script. */
  readonly services: readonly FrameService[];
  readonly #dhcp: DhcpService | undefined;
  readonly #resources: DisposableStack;

  private constructor(
    parts: Omit<Headnode, typeof Symbol.asyncDispose | "services" | "dhcp">,
    { dhcp, tftp, resources }: { dhcp?: DhcpService; tftp?: TftpService; resources: DisposableStack },
  ) {
    this.network = parts.network;
    this.transcript = parts.transcript;
    this.bootScript = parts.bootScript;
    this.paths = parts.paths;
    this.port = parts.port;
    this.services = [dhcp, tftp].filter((service) => service !== undefined);
    this.#dhcp = dhcp;
    this.#resources = resources;
  }

  /** @throws UsageError PORT_IN_USE, PORT_REFUSED; HarnessError LOG_NOT_WRITABLE for the transcript */
  static async start(options: HeadnodeOptions): Promise<Headnode> {
    await using cleanup = new DisposableStack();
    const { image, mac, networking, nodeConfig, medium = { transport: "http", loaderDir: undefined } } = options;
    const { transport, loaderDir } = medium;
    const transcript = cleanup.use(new Transcript(options.now, options.transcriptPath));
    let tree: PublishedTree = new Map();
    const missing = (path: string): boolean => options.missing?.includes(basename(path)) ?? false;
    const find = (path: string) => (missing(path) ? undefined : tree.get(path));
    const server = cleanup.use(
      // The script names the port, so the tree exists only once the server listens.
      await FileServer.start({
        tree: find,
        transcript,
        onDefect: options.onDefect,
        ...(options.port !== undefined && { port: options.port }),
      }),
    );

    const address = cnAddressFor(networking?.adminVnic);
    const network = userNetworkFor(address);
    const scriptOptions = bootScriptOptions(options, server.port);
    const script = bootScript(scriptOptions);
    const texts = { bootScript: script, menuLst: menuLst(scriptOptions) };
    const parts = { image, mac, ...texts, networking, nodeConfig, bootModules: options.bootModules ?? [], loaderDir };
    tree = alter(publishedTree(parts), options.altered);

    const name = bootScriptName(mac);
    const paths = headnodePaths(tree, mac);
    const bootFile = `http://${network.host}:${server.port}/${name}`;
    const published = { transcript, bootScript: script, paths, port: server.port };
    if (transport === "http") {
      return new Headnode({ ...published, network: { ...network, bootFile } }, { resources: cleanup.move() });
    }
    const dhcp = new DhcpService({
      booter: new BooterDhcp({
        serverIp: network.host,
        leaseSeconds: LEASE_SECONDS,
        resolvers: options.dhcpResolvers ?? [],
        defaultGateway: options.dhcpGateway,
        addressOf: (asked) =>
          asked === mac.toLowerCase() ? { ...bootNicOf(networking?.adminVnic), ...address } : undefined,
      }),
      serverIp: network.host,
      now: options.now,
      hidesUserClass: () => options.firmware !== "uefi" && loaderDir !== undefined && !hasLoader(transcript),
    });
    const tftp = cleanup.use(new TftpService({ serverIp: network.host, find, transcript, onDefect: options.onDefect }));
    return new Headnode(
      { ...published, network: { ...network, bootFile: undefined } },
      { dhcp, tftp, resources: cleanup.move() },
    );
  }

  /** Messages to the headnode's own DHCP and their answers, so far. */
  get dhcp(): readonly DhcpExchange[] {
    return this.#dhcp?.exchanges ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

/** What NAPI holds for the boot NIC, besides its address. */
const bootNicOf = (vnic: Vnic | undefined): Omit<BooterAddress, keyof CnAddress> => ({
  resolvers: vnic?.resolvers ?? [],
  gateway: vnic?.gateway,
  routes: vnic?.routes ?? {},
});

/** The options of this headnode's boot script. @param httpPort the port on which the headnode listens */
export function bootScriptOptions(
  {
    image,
    mac,
    networking,
    kernelArguments = [],
    serial = "ttyb",
    bootModules = [],
    medium,
  }: Omit<HeadnodeOptions, "now">,
  httpPort: number,
): BootScriptOptions {
  const { ip, netmask } = cnAddressFor(networking?.adminVnic);
  return {
    stamp: image.stamp,
    mac,
    ip,
    netmask,
    headnode: userNetworkFor({ ip, netmask }).host,
    source: medium?.transport === "tftp" ? "tftp" : "http",
    httpPort,
    serial,
    kernelArguments,
    hashFiles: image.hashFiles !== undefined,
    bootFiles: [...bootFilesOf(networking, bootModules).keys()],
  };
}

/** Whether the firmware has downloaded its iPXE. */
const hasLoader = ({ requests }: Transcript): boolean =>
  requests.some(({ path, complete }) => complete && loaderNames.some((name) => path === `/${name}`));

/** Replaces the content of the files with these names. */
function alter(tree: PublishedTree, altered: ReadonlyMap<string, Buffer> = new Map()): PublishedTree {
  return new Map(
    [...tree].map(([path, content]) => {
      const bytes = altered.get(basename(path));
      return [path, bytes === undefined ? content : { kind: "bytes", bytes }];
    }),
  );
}

/** URL paths by the step of the boot that loads them. */
export interface HeadnodePaths {
  /** iPXE binaries that firmware loads. */
  readonly loaders: readonly string[];
  readonly script: string;
  readonly kernel: string;
  readonly initrd: string;
  /** Files named in the script's module lines. */
  readonly modules: readonly string[];
  readonly squashfs: string;
}

function headnodePaths(tree: PublishedTree, mac: string): HeadnodePaths {
  const all = [...tree.keys()];
  const ending = (name: string): string => all.find((path) => path.endsWith(`/${name}`)) ?? "";
  const [script, kernel, initrd, squashfs] = [
    `/${bootScriptName(mac)}`,
    ending("vmlinuz"),
    ending("initrd"),
    ending("filesystem.squashfs"),
  ];
  const loaders = loaderNames.map((name) => `/${name}`).filter((path) => tree.has(path));
  const others = new Set([...loaders, script, `/${menuLstName(mac)}`, kernel, initrd, squashfs]);
  return { loaders, script, kernel, initrd, squashfs, modules: all.filter((path) => !others.has(path)) };
}

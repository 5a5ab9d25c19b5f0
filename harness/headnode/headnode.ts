/**
 * The headnode of one boot: what a CN finds on the admin network when it asks for its platform.
 * HTTP is ours. DHCP and TFTP are too, as services on the CN's wire, but for a boot that takes all by HTTP: there QEMU's
 * user networking names the script.
 * Source: sdc-booter (dhcpd, file service).
 */
import { basename } from "node:path";
import { DisposableStack } from "../../base/disposable-stack.js";
import type { ImageFolder } from "../cn-files/image-folder.js";
import type { NetworkingFile } from "../cn-files/networking-json.js";
import type { NodeConfigFile } from "../cn-files/node-config.js";
import type { FrameService } from "../wire/wire.js";
import { type BootScriptOptions, bootScript, bootScriptName } from "./boot-script.js";
import { BooterDhcp } from "./dhcp-rules.js";
import { type DhcpExchange, DhcpService } from "./dhcp-service.js";
import { FileServer } from "./file-server.js";
import { bootFilesOf, loaderNames, type PublishedTree, publishedTree } from "./published-tree.js";
import { TftpService } from "./tftp-service.js";
import { Transcript } from "./transcript.js";
import { cnAddressFor, type UserNetwork, userNetworkFor } from "./user-network.js";

/** dhcp_lease_time of a headnode's default, in seconds. */
const LEASE_SECONDS = 2_592_000;

/**
 * How the files of an iPXE boot come.
 * - `http`: all of them by HTTP, from the script on. QEMU's DHCP names the script's address, as no booter does
 * - `booter`: as from a booter: script and kernel by TFTP, the rest by HTTP; the headnode's own DHCP answers
 * - `tftp`: as from a booter with http_pxe_boot=false: all by TFTP
 */
export const transportNames = ["http", "booter", "tftp"] as const;
export type Transport = (typeof transportNames)[number];

/** How a CN that boots by network gets its files. */
export interface NetbootMedium {
  readonly transport: Transport;
  /**
   * Folder with undionly.kpxe and snponly.efi, one of which the firmware's PXE loads first, as on real hardware. Undefined:
   * QEMU's own ROM is the iPXE.
   */
  readonly loaderDir: string | undefined;
}

export interface HeadnodeOptions {
  readonly image: ImageFolder;
  /** The CN's boot NIC, colons, any case. */
  readonly mac: string;
  /** None: booter never wrote one for this CN, so the script offers none. */
  readonly networking?: NetworkingFile | undefined;
  /** None: the file is there, and empty. */
  readonly nodeConfig?: NodeConfigFile | undefined;
  /** CNAPI's kernel arguments, in their order. @default [] */
  readonly kernelArguments?: readonly string[];
  /** How the CN gets at all this. @default all by HTTP */
  readonly medium?: NetbootMedium;
  /** What asks first. @default "bios" */
  readonly firmware?: "bios" | "uefi";
  /** @default 0, any free port */
  readonly port?: number;
  /** Names of files to be answered 404 although they are there, e.g. "vmlinuz". @default [] */
  readonly missing?: readonly string[];
  /** What is served in place of a file's own content, by the file's name. @default none */
  readonly altered?: ReadonlyMap<string, Buffer>;
  /** Milliseconds since power-on, for the transcript. */
  readonly now: () => number;
  /** Where the transcript's JSON lines go. @default nowhere */
  readonly transcriptPath?: string;
  /** Takes what is neither a client's nor the disk's doing. @default the error is thrown uncaught */
  readonly onDefect?: ((error: Error) => void) | undefined;
}

/** What QEMU's user networking is to say. */
export interface HeadnodeNetwork extends UserNetwork {
  /** DHCP's bootfile, where QEMU's DHCP answers. */
  readonly bootFile: string | undefined;
}

export class Headnode implements AsyncDisposable {
  readonly network: HeadnodeNetwork;
  readonly transcript: Transcript;
  readonly bootScript: string;
  /** URL path of each file that the boot script names, and what it is for the CN. */
  readonly paths: HeadnodePaths;
  readonly port: number;
  /** DHCP and TFTP, to be put on the CN's wire; none where QEMU's user networking names the script. */
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

  /** @throws UsageError PORT_IN_USE; HarnessError LOG_NOT_WRITABLE for its transcript */
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
    const script = bootScript(bootScriptOptions(options, server.port));
    tree = alter(publishedTree({ image, mac, bootScript: script, networking, nodeConfig, loaderDir }), options.altered);

    const name = bootScriptName(mac);
    const paths = headnodePaths(tree, name);
    const bootFile = `http://${network.host}:${server.port}/${name}`;
    const parts = { transcript, bootScript: script, paths, port: server.port };
    if (transport === "http") {
      return new Headnode({ ...parts, network: { ...network, bootFile } }, { resources: cleanup.move() });
    }
    const dhcp = new DhcpService({
      booter: new BooterDhcp({
        serverIp: network.host,
        leaseSeconds: LEASE_SECONDS,
        addressOf: (asked) =>
          asked === mac.toLowerCase() ? { ...address, resolvers: networking?.resolvers ?? [] } : undefined,
      }),
      serverIp: network.host,
      now: options.now,
      hidesUserClass: () => options.firmware !== "uefi" && loaderDir !== undefined && !hasLoader(transcript),
    });
    const tftp = cleanup.use(new TftpService({ serverIp: network.host, find, transcript, onDefect: options.onDefect }));
    return new Headnode(
      { ...parts, network: { ...network, bootFile: undefined } },
      { dhcp, tftp, resources: cleanup.move() },
    );
  }

  /** What the headnode's own DHCP was asked and answered so far. */
  get dhcp(): readonly DhcpExchange[] {
    return this.#dhcp?.exchanges ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

/** What the boot script of such a headnode is made from. @param httpPort where it listens */
export function bootScriptOptions(
  { image, mac, networking, kernelArguments = [], medium }: Omit<HeadnodeOptions, "now">,
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
    kernelArguments,
    hashFiles: image.hashFiles !== undefined,
    bootFiles: [...bootFilesOf(networking).keys()],
  };
}

/** Whether the firmware has got its iPXE. */
const hasLoader = ({ requests }: Transcript): boolean =>
  requests.some(({ path, complete }) => complete && loaderNames.some((name) => path === `/${name}`));

/** The tree with other contents for the files of these names. */
function alter(tree: PublishedTree, altered: ReadonlyMap<string, Buffer> = new Map()): PublishedTree {
  return new Map(
    [...tree].map(([path, content]) => {
      const bytes = altered.get(basename(path));
      return [path, bytes === undefined ? content : { kind: "bytes", bytes }];
    }),
  );
}

/** Which path serves which step of a boot. */
export interface HeadnodePaths {
  /** What firmware may be told to load. */
  readonly loaders: readonly string[];
  readonly script: string;
  readonly kernel: string;
  readonly initrd: string;
  /** What the script's module lines name. */
  readonly modules: readonly string[];
  readonly squashfs: string;
}

function headnodePaths(tree: PublishedTree, scriptName: string): HeadnodePaths {
  const all = [...tree.keys()];
  const ending = (name: string): string => all.find((path) => path.endsWith(`/${name}`)) ?? "";
  const [script, kernel, initrd, squashfs] = [
    `/${scriptName}`,
    ending("vmlinuz"),
    ending("initrd"),
    ending("filesystem.squashfs"),
  ];
  const loaders = loaderNames.map((name) => `/${name}`).filter((path) => tree.has(path));
  const others = new Set([...loaders, script, kernel, initrd, squashfs]);
  return { loaders, script, kernel, initrd, squashfs, modules: all.filter((path) => !others.has(path)) };
}

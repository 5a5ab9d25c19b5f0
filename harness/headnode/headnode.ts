/**
 * The headnode of one boot: what a CN finds on the admin network when it asks for its platform.
 * DHCP and TFTP are QEMU's user networking, told here what to say; HTTP is ours, so that every request is seen.
 * Source: sdc-booter (dhcpd, file service).
 */
import { mkdir, rm } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { DisposableStack } from "../../vm/disposable-stack.js";
import type { NetworkingFile } from "../networking-json.js";
import type { NodeConfigFile } from "../node-config.js";
import { bootScript, bootScriptName } from "./boot-script.js";
import { FileServer } from "./file-server.js";
import type { ImageFolder } from "./image-folder.js";
import { bootFilesOf, layOutForTftp, type PublishedTree, publishedTree } from "./published-tree.js";
import { Transcript } from "./transcript.js";
import { type CnAddress, defaultCnAddress, type UserNetwork, userNetworkFor } from "./user-network.js";

/**
 * Where iPXE gets script and kernel: from our HTTP server, so that the transcript has them, or over TFTP as from a
 * real booter in HTTP mode. All else is HTTP either way.
 */
export type ScriptTransport = "http" | "tftp";

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
  /** @default "http" */
  readonly scriptTransport?: ScriptTransport;
  /** @default 0, any free port */
  readonly port?: number;
  /** Names of files to be answered 404 although they are there, e.g. "vmlinuz". @default [] */
  readonly missing?: readonly string[];
  /** What is served in place of a file's own content, by the file's name. @default none */
  readonly altered?: ReadonlyMap<string, Buffer>;
  /** Milliseconds since power-on, for the transcript. */
  readonly now: () => number;
  /** Folder that exists; what TFTP serves is laid out in its tftp/, which is gone at the end. */
  readonly workDir: string;
  /** Where the transcript's JSON lines go. @default nowhere */
  readonly transcriptPath?: string;
}

/** What QEMU's user networking is to say. */
export interface HeadnodeNetwork extends UserNetwork {
  /** DHCP's bootfile. */
  readonly bootFile: string;
  /** The root of QEMU's TFTP server, when that is in use. */
  readonly tftpFolder: string | undefined;
}

export class Headnode implements AsyncDisposable {
  readonly network: HeadnodeNetwork;
  readonly transcript: Transcript;
  readonly bootScript: string;
  /** URL path of each file that the boot script names, and what it is for the CN. */
  readonly paths: HeadnodePaths;
  readonly port: number;
  readonly #resources: DisposableStack;

  private constructor(parts: Omit<Headnode, typeof Symbol.asyncDispose>, resources: DisposableStack) {
    this.network = parts.network;
    this.transcript = parts.transcript;
    this.bootScript = parts.bootScript;
    this.paths = parts.paths;
    this.port = parts.port;
    this.#resources = resources;
  }

  /** @throws UsageError PORT_IN_USE */
  static async start(options: HeadnodeOptions): Promise<Headnode> {
    await using cleanup = new DisposableStack();
    const { image, mac, networking, nodeConfig } = options;
    const transcript = cleanup.use(new Transcript(options.now, options.transcriptPath));
    let tree: PublishedTree = new Map();
    const missing = (path: string): boolean => options.missing?.includes(basename(path)) ?? false;
    const server = cleanup.use(
      // The script names the port, so the tree exists only once the server listens.
      await FileServer.start({
        tree: (path) => (missing(path) ? undefined : tree.get(path)),
        transcript,
        ...(options.port !== undefined && { port: options.port }),
      }),
    );

    const address: CnAddress = networking?.adminVnic ?? defaultCnAddress;
    const network = userNetworkFor(address);
    const script = bootScript({
      stamp: image.stamp,
      mac,
      ip: address.ip,
      netmask: address.netmask,
      headnode: network.host,
      httpPort: server.port,
      kernelArguments: options.kernelArguments ?? [],
      hashFiles: image.hashFiles !== undefined,
      bootFiles: [...bootFilesOf(networking).keys()],
    });
    tree = alter(publishedTree({ image, mac, bootScript: script, networking, nodeConfig }), options.altered);

    let tftpFolder: string | undefined;
    if (options.scriptTransport === "tftp") {
      const folder = resolve(options.workDir, "tftp");
      const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
      await remove(); // a livelab that was killed may have left one
      cleanup.defer(remove);
      await mkdir(folder);
      const served = new Map([...tree].filter(([path]) => !missing(path)));
      await layOutForTftp(served, folder);
      tftpFolder = folder;
    }
    const name = bootScriptName(mac);
    return new Headnode(
      {
        network: {
          ...network,
          bootFile: tftpFolder === undefined ? `http://${network.host}:${server.port}/${name}` : name,
          tftpFolder,
        },
        transcript,
        bootScript: script,
        paths: headnodePaths(tree, name),
        port: server.port,
      },
      cleanup.move(),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

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
  const others = new Set([script, kernel, initrd, squashfs]);
  return { script, kernel, initrd, squashfs, modules: all.filter((path) => !others.has(path)) };
}

/**
 * The headnode's one tree of files, which HTTP and TFTP both serve: URL path → content.
 * Source: sdc-headnode config/sapi/services/dhcpd (/os and /extra beside booter's own files).
 */
import { join } from "node:path";
import { type ImageFolder, imageFileNames, imageHashNames } from "../cn-files/image-folder.js";
import type { NetworkingFile } from "../cn-files/networking-json.js";
import type { NodeConfigFile } from "../cn-files/node-config.js";
import { bootfsFolder, bootScriptName } from "./boot-script.js";
import type { PublishedContent } from "./published-content.js";

/** A node.config that sets nothing. Not an empty file: with an initrd of no bytes iPXE's kernel does not come up (measured). */
const NO_NODE_CONFIG = Buffer.from("# no node.config was given\n");

/** URL path, with its leading slash → content. */
export type PublishedTree = ReadonlyMap<string, PublishedContent>;

export interface PublishedParts {
  readonly image: ImageFolder;
  /** The boot NIC, colons, any case. */
  readonly mac: string;
  readonly bootScript: string;
  readonly networking?: NetworkingFile | undefined;
  readonly nodeConfig?: NodeConfigFile | undefined;
  /** Folder with the iPXE that firmware loads. @default there is none */
  readonly loaderDir?: string | undefined;
}

/** The iPXE that a UEFI loads, and the one for all others, by the names that DHCP gives. */
export const loaderNames = ["snponly.efi", "undionly.kpxe"] as const;

/** The names in bootfs/<mac>/: what the boot script offers as modules. */
export function bootFilesOf(networking: NetworkingFile | undefined): ReadonlyMap<string, Buffer> {
  if (networking === undefined) return new Map();
  return new Map([
    ["networking.json", networking.bytes],
    ["networking.json.hash", Buffer.from(networking.sha1)],
  ]);
}

/** Lays the parts out under the paths that boot.ipxe names. */
export function publishedTree(parts: PublishedParts): PublishedTree {
  const { image, mac, bootScript, networking, nodeConfig, loaderDir } = parts;
  const tree = new Map<string, PublishedContent>();
  const platform = `/os/${image.stamp}/platform/x86_64`;
  for (const name of imageFileNames) tree.set(`${platform}/${name}`, { kind: "file", path: image.files[name].path });
  if (image.hashFiles !== undefined) {
    for (const name of imageHashNames) tree.set(`${platform}/${name}`, { kind: "file", path: image.hashFiles[name] });
  }
  // A headnode always has the file, if only an empty one: without it the script ends at its module line.
  tree.set("/extra/joysetup/node.config", { kind: "bytes", bytes: nodeConfig?.bytes ?? NO_NODE_CONFIG });
  for (const [name, bytes] of bootFilesOf(networking))
    tree.set(`/${bootfsFolder(mac)}/${name}`, { kind: "bytes", bytes });
  if (loaderDir !== undefined) {
    for (const name of loaderNames) tree.set(`/${name}`, { kind: "file", path: join(loaderDir, name) });
  }
  tree.set(`/${bootScriptName(mac)}`, { kind: "bytes", bytes: Buffer.from(bootScript) });
  return tree;
}

/**
 * The headnode's tree of files, served by both HTTP and TFTP: URL path → content.
 * Source: sdc-headnode config/sapi/services/dhcpd (/os and /extra next to booter's own files).
 */
import { join } from "node:path";
import { type ImageFolder, imageFileNames, imageHashNames } from "../cn-files/image-folder.js";
import type { NetworkingFile } from "../cn-files/networking-json.js";
import type { NodeConfigFile } from "../cn-files/node-config.js";
import { type BootModule, bootFilesOf } from "./boot-files.js";
import { bootfsFolder, bootScriptName, platformOf } from "./boot-script.js";
import { menuLstName } from "./menu-lst.js";
import type { PublishedContent } from "./published-content.js";

/** A node.config without settings. It must not be empty: iPXE's kernel does not start with an initrd of 0 bytes (measured). */
const NO_NODE_CONFIG = Buffer.from("# no node.config was given\n");

/** URL path, with its leading slash → content. */
export type PublishedTree = ReadonlyMap<string, PublishedContent>;

export interface PublishedParts {
  readonly image: ImageFolder;
  /** MAC of the boot NIC, with colons, any case. */
  readonly mac: string;
  readonly bootScript: string;
  readonly menuLst: string;
  readonly networking?: NetworkingFile | undefined;
  readonly nodeConfig?: NodeConfigFile | undefined;
  readonly bootModules: readonly BootModule[];
  /** Folder with the iPXE binaries that firmware loads. @default no binaries are served */
  readonly loaderDir?: string | undefined;
}

/** Names of the iPXE binaries in DHCP's answers: for UEFI, and for all other firmware. */
export const loaderNames = ["snponly.efi", "undionly.kpxe"] as const;

/** Maps the parts to the paths that the boot script names. */
export function publishedTree(parts: PublishedParts): PublishedTree {
  const { image, mac, bootScript, menuLst, networking, nodeConfig, bootModules, loaderDir } = parts;
  const tree = new Map<string, PublishedContent>();
  const platform = platformOf(image.stamp);
  for (const name of imageFileNames) tree.set(`${platform}/${name}`, { kind: "file", path: image.files[name].path });
  if (image.hashFiles !== undefined) {
    for (const name of imageHashNames) tree.set(`${platform}/${name}`, { kind: "file", path: image.hashFiles[name] });
  }
  // A headnode always has this file, possibly empty. If it is missing, the script fails at its module line.
  tree.set("/extra/joysetup/node.config", { kind: "bytes", bytes: nodeConfig?.bytes ?? NO_NODE_CONFIG });
  for (const [path, bytes] of bootFilesOf(networking, bootModules)) {
    tree.set(`/${bootfsFolder(mac)}/${path}`, { kind: "bytes", bytes });
  }
  if (loaderDir !== undefined) {
    for (const name of loaderNames) tree.set(`/${name}`, { kind: "file", path: join(loaderDir, name) });
  }
  tree.set(`/${menuLstName(mac)}`, { kind: "bytes", bytes: Buffer.from(menuLst) });
  tree.set(`/${bootScriptName(mac)}`, { kind: "bytes", bytes: Buffer.from(bootScript) });
  return tree;
}

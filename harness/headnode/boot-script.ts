/**
 * Writes boot.ipxe.01<MAC> line for line as Triton's booter does for a Linux platform.
 * Source: sdc-booter lib/menulst.js (buildIpxeCfg of a Linux platform), lib/boot-files.js (names and case of the MAC).
 */

import { consoleArguments, type SerialName } from "./serial-port.js";

export interface BootScriptOptions {
  /** YYYYMMDDTHHMMSSZ */
  readonly stamp: string;
  /** MAC of the boot NIC, with colons, any case. */
  readonly mac: string;
  readonly ip: string;
  readonly netmask: string;
  /** The headnode's address as the CN sees it. */
  readonly headnode: string;
  /** Protocol of the file URLs: HTTP, booter's default, or TFTP (http_pxe_boot=false). */
  readonly source: "http" | "tftp";
  /** A real booter listens on 80. Any other port appears in every URL. */
  readonly httpPort: number;
  /** Where Linux prints, besides the screen. */
  readonly serial: SerialName;
  /** CNAPI's kernel arguments, `key=value`, in CNAPI's order. */
  readonly kernelArguments: readonly string[];
  /** Whether the image has its two hash files. */
  readonly hashFiles: boolean;
  /** Paths of the CN's files in bootfs/<mac>/, in booter's order (boot-files.ts). */
  readonly bootFiles: readonly string[];
}

/** The script's name, with the MAC in upper case and without colons. */
export const bootScriptName = (mac: string): string => `boot.ipxe.01${upperMac(mac)}`;

/** "52:54:00:aa:bb:0c" → "525400AABB0C" */
export const upperMac = (mac: string): string => mac.replaceAll(":", "").toUpperCase();

/** URL path of a platform's folder. */
export const platformOf = (stamp: string): string => `/os/${stamp}/platform/x86_64`;

/** The folder of the CN's boot files, with the MAC in lower case and without colons. */
export function bootfsFolder(mac: string): string {
  return `bootfs/${mac.replaceAll(":", "").toLowerCase()}`;
}

/** The arguments that booter writes before and after CNAPI's kernel arguments. */
export function ownArguments(options: BootScriptOptions): {
  readonly before: readonly string[];
  readonly after: readonly string[];
} {
  const { mac, ip, netmask, serial } = options;
  const bootif = `01-${mac.replaceAll(":", "-").toLowerCase()}`;
  return {
    before: ["boot=live", ...consoleArguments(serial), `BOOTIF=${bootif}`, `ip=${ip}:::${netmask}::`],
    after: [`fetch=${fromHeadnodeOf(options)}${platformOf(options.stamp)}/filesystem.squashfs`],
  };
}

const portOf = ({ source, httpPort }: BootScriptOptions): string =>
  source === "tftp" || httpPort === 80 ? "" : `:${httpPort}`;
const fromHeadnodeOf = (options: BootScriptOptions): string =>
  `${options.source}://${options.headnode}${portOf(options)}`;

/** The script's text, without a final newline. */
export function bootScript(options: BootScriptOptions): string {
  const platform = platformOf(options.stamp);
  const fromHeadnode = fromHeadnodeOf(options);
  const fromNextServer = `${options.source}://\${next-server}${portOf(options)}/${bootfsFolder(options.mac)}`;
  const { before, after } = ownArguments(options);

  return [
    "#!ipxe",
    // Without a scheme, iPXE loads the kernel from the script's server. An empty list leaves two spaces, as in booter.
    ["kernel", `${platform}/vmlinuz`, ...before, options.kernelArguments.join(" "), ...after].join(" "),
    `initrd ${fromHeadnode}${platform}/initrd`,
    ...(options.hashFiles
      ? ["filesystem.squashfs.hash", "initrd.hash"].map((name) => `module ${fromHeadnode}${platform}/${name} ${name}`)
      : []),
    `module ${fromHeadnode}/extra/joysetup/node.config /etc/node.config`,
    ...options.bootFiles.map((name) => `module ${fromNextServer}/${name} /etc/triton-${name}`),
    "boot",
  ].join("\n");
}

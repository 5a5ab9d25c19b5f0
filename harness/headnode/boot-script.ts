/**
 * Writes boot.ipxe.01<MAC> line for line as Triton's booter does for a Linux platform.
 * Source: sdc-booter lib/menulst.js (buildIpxeCfg of a Linux platform), lib/boot-files.js (names and case of the MAC).
 */

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
  /** CNAPI's kernel arguments, `key=value`, in CNAPI's order. */
  readonly kernelArguments: readonly string[];
  /** Whether the image has its two hash files. */
  readonly hashFiles: boolean;
  /** Names of the CN's files in bootfs/<mac>/. */
  readonly bootFiles: readonly string[];
}

/** The script's name, with the MAC in upper case and without colons. */
export function bootScriptName(mac: string): string {
  return `boot.ipxe.01${mac.replaceAll(":", "").toUpperCase()}`;
}

/** The folder of the CN's boot files, with the MAC in lower case and without colons. */
export function bootfsFolder(mac: string): string {
  return `bootfs/${mac.replaceAll(":", "").toLowerCase()}`;
}

/** The arguments that booter writes before and after CNAPI's kernel arguments. */
export function ownArguments(options: BootScriptOptions): {
  readonly before: readonly string[];
  readonly after: readonly string[];
} {
  const { mac, ip, netmask } = options;
  const bootif = `01-${mac.replaceAll(":", "-").toLowerCase()}`;
  return {
    before: ["boot=live", "console=tty0", "console=ttyS1,115200n8", `BOOTIF=${bootif}`, `ip=${ip}:::${netmask}::`],
    after: [`fetch=${fromHeadnodeOf(options)}${platformOf(options)}/filesystem.squashfs`],
  };
}

const portOf = ({ source, httpPort }: BootScriptOptions): string =>
  source === "tftp" || httpPort === 80 ? "" : `:${httpPort}`;
const platformOf = ({ stamp }: BootScriptOptions): string => `/os/${stamp}/platform/x86_64`;
const fromHeadnodeOf = (options: BootScriptOptions): string =>
  `${options.source}://${options.headnode}${portOf(options)}`;

/** The script's text, without a final newline. */
export function bootScript(options: BootScriptOptions): string {
  const platform = platformOf(options);
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

/**
 * boot.ipxe.01<MAC> as Triton's booter writes it for a Linux platform, line for line.
 * Source: sdc-booter lib/menulst.js (buildIpxeCfg of a Linux platform), lib/boot-files.js (names and case of the MAC).
 */

export interface BootScriptOptions {
  /** YYYYMMDDTHHMMSSZ */
  readonly stamp: string;
  /** The boot NIC, colons, any case. */
  readonly mac: string;
  readonly ip: string;
  readonly netmask: string;
  /** The headnode's address as the CN sees it. */
  readonly headnode: string;
  /** Where files come from: HTTP, which is booter's default, or TFTP (http_pxe_boot=false). */
  readonly source: "http" | "tftp";
  /** A real booter is at 80; ours is where a port was free, and then every URL says so. */
  readonly httpPort: number;
  /** CNAPI's kernel arguments, `key=value`, in their order. */
  readonly kernelArguments: readonly string[];
  /** Whether the image has its two hash files. */
  readonly hashFiles: boolean;
  /** Names of the files that the CN has in bootfs/<mac>/. */
  readonly bootFiles: readonly string[];
}

/** The script's own name: upper-case MAC without colons. */
export function bootScriptName(mac: string): string {
  return `boot.ipxe.01${mac.replaceAll(":", "").toUpperCase()}`;
}

/** The folder of the CN's boot files: lower-case MAC without colons. */
export function bootfsFolder(mac: string): string {
  return `bootfs/${mac.replaceAll(":", "").toLowerCase()}`;
}

/** What the booter writes before and after CNAPI's kernel arguments. */
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

/** Lines joined by newlines, none at the end. */
export function bootScript(options: BootScriptOptions): string {
  const platform = platformOf(options);
  const fromHeadnode = fromHeadnodeOf(options);
  const fromNextServer = `${options.source}://\${next-server}${portOf(options)}/${bootfsFolder(options.mac)}`;
  const { before, after } = ownArguments(options);

  return [
    "#!ipxe",
    // No scheme: iPXE looks for the kernel where the script came from. No arguments leave two spaces, as booter does.
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

/**
 * Writes menu.lst.01<MAC>, the menu of the older way to boot with GRUB, as Triton's booter does for a Linux platform. It
 * lacks boot=live, ip= and fetch=, so it starts a kernel that finds no root; only boot.ipxe boots Linux.
 * Source: sdc-booter lib/menulst.js (buildMenuLst of a Linux platform).
 */
import { type BootScriptOptions, bootfsFolder, platformOf, upperMac } from "./boot-script.js";
import { consoleArguments } from "./serial-port.js";

/** The menu's name, with the MAC in upper case and without colons. */
export const menuLstName = (mac: string): string => `menu.lst.01${upperMac(mac)}`;

export type MenuLstOptions = Pick<BootScriptOptions, "stamp" | "mac" | "serial" | "bootFiles">;

/** The menu's text. Its last line has no final newline, but is itself empty. */
export function menuLst({ stamp, mac, serial, bootFiles }: MenuLstOptions): string {
  const platform = platformOf(stamp);
  const consoles = consoleArguments(serial);
  return [
    "default 0",
    "timeout 5",
    "min_mem64 1024",
    `variable os_console ${consoles[1]}`,
    "",
    "title Live 64-bit",
    `   kernel$ ${platform}/vmlinuz ${consoles.join(" ")}`,
    `   initrd$ ${platform}/initrd`,
    ...bootFiles.map((name) => `  module$ /${bootfsFolder(mac)}/${name} ${typed(name)}`),
    "  module$ /extra/joysetup/node.config type=file name=etc/node.config",
    "",
  ].join("\n");
}

/** A hash has the name of the file that it belongs to. */
const typed = (name: string): string =>
  name.endsWith(".hash") ? `type=hash name=${name.slice(0, -".hash".length)}` : `type=file name=${name}`;

/**
 * Judges the boot of a cloud image by its console: the boot continues, has finished, or cannot finish.
 * Sources: SeaBIOS src/boot.c, GRUB kern/main.c, initramfs-tools scripts/functions panic(), systemd emergency.service.
 */
export type ConsoleVerdict =
  | { readonly kind: "booting" }
  /** A login prompt: the boot has finished. `cloudInit`: whether cloud-init printed anything. */
  | { readonly kind: "login"; readonly cloudInit: boolean }
  | { readonly kind: "dead"; readonly reason: string };

const deaths: readonly (readonly [sign: RegExp, reason: string])[] = [
  [/^No bootable device/m, "it has no boot loader"],
  [/^grub rescue>/m, "its boot loader finds no system"],
  [/^\(initramfs\)/m, "it stopped at the initramfs shell"],
  [/Kernel panic - not syncing/, "its kernel panicked"],
  [/^You are in (emergency|rescue) mode/m, "systemd went into emergency mode"],
];

/** Judges a boot. @param text the console so far, as consoleText() returns it */
export function judgeConsole(text: string): ConsoleVerdict {
  for (const [sign, reason] of deaths) if (sign.test(text)) return { kind: "dead", reason };
  if (/ login: ?$/m.test(text)) return { kind: "login", cloudInit: /cloud-init/i.test(text) };
  return { kind: "booting" };
}

/** Converts the console's bytes to plain lines, without colours, cursor moves and carriage returns. */
export function consoleText(bytes: Buffer): string {
  return bytes.toString("utf8").replaceAll(/\x1b(?:\[[0-9;?=]*[A-Za-z]|[()][A-B0]|[c78=>])|\r/g, "");
}

/** The last lines that are not empty, oldest first. */
export const lastLines = (text: string, count: number): readonly string[] =>
  text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-count);

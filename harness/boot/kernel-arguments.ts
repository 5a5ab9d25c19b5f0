/**
 * The kernel arguments of a CN: combines CNAPI's with booter's own, and checks that they reach Linux unchanged.
 * Sources: sdc-cnapi lib/models/server.js (getBootParams: hostname and rabbitmq come first); sdc-booter lib/bootparams.js
 * (which of two arguments with one name wins), lib/menulst.js (their order);
 * iPXE core/exec.c (how it splits a line), image/efi_image.c (what it puts before the arguments on UEFI);
 * Linux arch/x86/include/asm/setup.h.
 */
import { isIPv4 } from "node:net";
import { UsageError } from "../../base/livelab-error.js";
import type { FileWarning } from "../cn-files/file-warning.js";
import { isNetmask } from "../cn-files/ipv4.js";
import type { FirmwareName } from "./boot-medium.js";

/** Longest kernel command line on x86, in bytes: COMMAND_LINE_SIZE is 2048, and the last byte is a NUL. */
export const LONGEST_COMMAND_LINE = 2047;

/**
 * Checks the argument of one --append.
 * @throws UsageError BAD_APPEND if iPXE or Linux would change its meaning
 */
export function checkAppended(argument: string): void {
  const refuse = (why: string, hint: string): never => {
    throw new UsageError("BAD_APPEND", `${JSON.stringify(argument)} cannot be a kernel argument: ${why}`, {
      hint,
    });
  };
  const words = wordsOf(argument);
  if (words.length === 0) refuse("it is empty", "give an argument with each --append, or leave it out");
  if (/[^\x20-\x7e]/.test(argument)) {
    refuse("it has characters that are not printable ASCII", "give one printable ASCII argument with each --append");
  }
  if ((argument.match(/"/g) ?? []).length % 2 === 1) {
    refuse(
      "it has an unclosed double quote, and Linux reads up to the next one as a single argument",
      'close the quote, as in x="a b"',
    );
  }
  if (argument.includes("${"))
    refuse('iPXE reads "${" as the start of a setting and inserts its value', "write the value itself");
  const taken = words.find((word) => word.startsWith("#") || [";", "&&", "||"].includes(word));
  if (taken !== undefined) {
    refuse(`iPXE ends the arguments at ${taken}`, `leave ${taken} out, or join it to the word before it`);
  }
}

export interface CnapiArguments {
  /** `hostname=NAME` of networking.json, which comes first in CNAPI's object; undefined if the file has no hostname. */
  readonly hostname: string | undefined;
  /** `rabbitmq=USER:PASSWORD:HOST:PORT`, which CNAPI passes to every server. */
  readonly rabbitmq: string;
  /** Arguments that the operator adds. */
  readonly appended: readonly string[];
  /** Arguments that booter adds for NICs and aggregations (cn-files/nic-tags.ts). */
  readonly nics: readonly string[];
}

/**
 * Returns CNAPI's arguments in the order in which booter writes them. CNAPI keeps one argument of each name: an operator's
 * hostname= or rabbitmq= takes the place of CNAPI's own, an operator's TAG_nic= replaces booter's, and booter's aggregations
 * take the place of an operator's.
 */
export function cnapiArguments({ hostname, rabbitmq, appended, nics }: CnapiArguments): readonly string[] {
  // One --append may hold several arguments. Quotes count here: a name inside them is part of a value.
  const operators = appended.flatMap((text) => text.match(ARGUMENT) ?? []);
  const names = new Set(operators.map(nameOf));
  const lastOf = (name: string): string | undefined => operators.filter((argument) => nameOf(argument) === name).at(-1);
  const booters = new Map(
    nics.filter((argument) => !isNicTag(argument)).map((argument) => [nameOf(argument), argument]),
  );
  const kept = appended.flatMap((text) => {
    const rest = text.replace(ARGUMENT, (argument) =>
      isCnapis(argument) ? "" : (booters.get(nameOf(argument)) ?? argument),
    );
    if (!(text.match(ARGUMENT) ?? []).some(isCnapis)) return rest;
    return rest.trim() === "" ? [] : rest.trim();
  });
  return [
    ...[lastOf("hostname") ?? hostname, lastOf("rabbitmq") ?? rabbitmq].filter((argument) => argument !== undefined),
    ...kept,
    ...nics.filter((argument) => !names.has(nameOf(argument))),
  ];
}

/** Warns of each appended word that has the name of another argument, and says which of the two takes effect. */
export function collisionWarnings(
  { hostname, appended, nics }: CnapiArguments,
  /** Arguments that booter writes before and after CNAPI's. */
  own: { readonly before: readonly string[]; readonly after: readonly string[] },
): FileWarning[] {
  const sameAs = (word: string, others: readonly string[]): string | undefined =>
    others.find((other) => nameOf(other) === nameOf(word) && other !== word);
  return appended.flatMap(wordsOf).flatMap((word): FileWarning[] => {
    const warn = (problem: string, remedy = "leave it out, unless you want this effect"): FileWarning[] => [
      { file: `--append ${word}`, place: "", problem, remedy },
    ];
    const [named, nic, before, after] = [hostname === undefined ? [] : [hostname], nics, own.before, own.after].map(
      (others) => sameAs(word, others),
    );
    if (named !== undefined) return warn(`replaces ${named}; the image still takes its hostname from networking.json`);
    if (nic !== undefined && isNicTag(nic))
      return warn(`replaces ${nic} of networking.json, as an operator's argument does in CNAPI`);
    if (nic !== undefined) return warn(`is replaced by ${nic} of networking.json, as booter does`);
    if (after !== undefined) return warn(`comes before booter's own ${after}, which takes effect`);
    if (before === undefined) return [];
    if (nameOf(word) === "console") {
      return warn(
        "comes after booter's own, so it becomes /dev/console, and systemd's output may not appear on the serial console",
      );
    }
    const isTaken = nameOf(word) === "ip" ? isAddress(word) : nameOf(word) !== "BOOTIF" || isMac(word);
    return isTaken
      ? warn(`comes after booter's own ${before} and overrides it`)
      : warn(`lacks a valid value, unlike booter's own ${before}, so this image uses booter's; other images may not`);
  });
}

/** The values that the image accepts in ip= and BOOTIF= (proto/usr/triton/lib/early-boot/booter-arguments.sh). */
function isAddress(word: string): boolean {
  const [address = "", , , netmask = ""] = word.slice("ip=".length).split(":");
  return isIPv4(address) && address !== "0.0.0.0" && isIPv4(netmask) && isNetmask(netmask);
}
const isMac = (word: string): boolean => /^BOOTIF=[0-9a-f]{2}(-[0-9a-f]{2}){6}$/i.test(word);
/** Whether CNAPI itself passes an argument of this name, before the operator's. */
const isCnapis = (argument: string): boolean => ["hostname", "rabbitmq"].includes(nameOf(argument));
const isNicTag = (argument: string): boolean => nameOf(argument).endsWith("_nic");
const nameOf = (word: string): string => word.split("=")[0] ?? "";
/** An argument as Linux reads it: white space in double quotes does not end it. Source: Linux lib/cmdline.c, next_arg(). */
const ARGUMENT = /(?:[^\s"]|"[^"]*")+/g;
/** Splits at white space, as iPXE splits a line and initramfs-tools the command line: quotes have no effect. */
const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

/** Returns the command line that iPXE passes to Linux. @param kernelLine the line of boot.ipxe that begins with `kernel` */
export function linuxCommandLine(kernelLine: string, firmware: FirmwareName): string {
  const [, uri = "", ...args] = wordsOf(kernelLine);
  // On UEFI the name of the image comes first.
  return [...(firmware === "uefi" ? [uri.slice(uri.lastIndexOf("/") + 1)] : []), ...args].join(" ");
}

/**
 * Checks the length of a command line. Linux cuts off the excess silently, and booter's last argument is fetch=.
 * @param appended arguments that the operator added
 * @returns a warning if the files alone make it too long: booter would serve it like that
 * @throws UsageError COMMAND_LINE_TOO_LONG if the operator's arguments make it too long
 */
export function checkCommandLine(commandLine: string, appended: readonly string[], networkingPath = ""): FileWarning[] {
  const bytes = Buffer.byteLength(commandLine);
  const excess = bytes - LONGEST_COMMAND_LINE;
  if (excess <= 0) return [];
  const limit = `but Linux on x86 accepts ${LONGEST_COMMAND_LINE} (COMMAND_LINE_SIZE) and cuts off the end: fetch=, without which the CN finds no root`;
  const added = appended.reduce((sum, argument) => sum + Buffer.byteLength(argument) + 1, 0);
  if (added < excess) {
    const problem = `leads to a kernel command line of ${bytes} bytes, ${limit}`;
    return [{ file: networkingPath, place: "", problem, remedy: "use fewer NIC tags and aggregations on this server" }];
  }
  const longest = [...appended].sort((a, b) => b.length - a.length)[0] ?? "";
  const shown = longest.length > 40 ? `${longest.slice(0, 40)}…` : longest;
  throw new UsageError("COMMAND_LINE_TOO_LONG", `the kernel command line would have ${bytes} bytes, ${limit}`, {
    hint: `shorten the appended arguments by at least ${excess} byte${excess === 1 ? "" : "s"}; the longest is --append ${JSON.stringify(shown)} (${longest.length} bytes)`,
  });
}

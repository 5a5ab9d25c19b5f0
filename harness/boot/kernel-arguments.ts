/**
 * The kernel arguments of a CN: CNAPI's among the booter's own, and whether they reach Linux as they were given.
 * Sources: sdc-booter lib/bootparams.js (which argument of a name stands), lib/menulst.js (their order); iPXE core/exec.c (how it
 * splits a line), image/efi_image.c (what it puts before the arguments on UEFI); Linux arch/x86/include/asm/setup.h.
 */
import { UsageError } from "../../base/livelab-error.js";
import type { FileWarning } from "../cn-files/file-warning.js";
import type { FirmwareName } from "./boot-medium.js";

/** Longest kernel command line on x86, in bytes: COMMAND_LINE_SIZE is 2048, and the last byte is a NUL. */
export const LONGEST_COMMAND_LINE = 2047;

/**
 * Judges what one --append gives.
 * @throws UsageError BAD_APPEND where iPXE or Linux would make something else of it
 */
export function checkAppended(argument: string): void {
  const refuse = (why: string, hint: string): never => {
    throw new UsageError("BAD_APPEND", `${JSON.stringify(argument)} cannot stand on a kernel command line: ${why}`, {
      hint,
    });
  };
  const words = wordsOf(argument);
  if (words.length === 0) refuse("it is empty", "give an argument with each --append, or leave it out");
  if (/[^\x20-\x7e]/.test(argument)) {
    refuse("it has characters that are not printable ASCII", "give one printable ASCII argument with each --append");
  }
  if ((argument.match(/"/g) ?? []).length % 2 === 1) {
    refuse("Linux takes all up to the next double quote for one argument", 'close the quote, as in x="a b"');
  }
  if (argument.includes("${")) refuse("iPXE puts the value of a setting in its place", "write the value itself");
  const taken = words.find((word) => word.startsWith("#") || [";", "&&", "||"].includes(word));
  if (taken !== undefined) {
    refuse(`iPXE takes ${taken} for the end of the arguments`, `leave ${taken} out, or join it to the word before it`);
  }
}

export interface CnapiArguments {
  /** `hostname=NAME` of networking.json, which comes first in CNAPI's object; undefined if the file has no hostname. */
  readonly hostname: string | undefined;
  /** What the operator adds. */
  readonly appended: readonly string[];
  /** What the booter adds for NICs and aggregations: `TAG_nic=…`, `NAME_aggr=…`, `NAME_lacp_mode=…`. */
  readonly nics: readonly string[];
}

/**
 * CNAPI's arguments in the order in which the booter writes them. CNAPI has one of each name: an operator's hostname= takes the place
 * of another, an operator's TAG_nic= stands against the booter's, and the booter's aggregations stand against an operator's.
 */
export function cnapiArguments({ hostname, appended, nics }: CnapiArguments): readonly string[] {
  const names = new Set(appended.flatMap((argument) => wordsOf(argument).map(nameOf)));
  const booters = new Map(
    nics.filter((argument) => !isNicTag(argument)).map((argument) => [nameOf(argument), argument]),
  );
  const kept = appended.map((argument) => booters.get(nameOf(argument)) ?? argument);
  return [
    ...(hostname === undefined || names.has(nameOf(hostname)) ? [] : [hostname]),
    ...kept,
    ...nics.filter((argument) => !names.has(nameOf(argument))),
  ];
}

/** Of each appended word that has the name of an argument of the harness, which of the two counts. */
export function collisionWarnings(
  { hostname, appended, nics }: CnapiArguments,
  /** What the booter writes before and after CNAPI's arguments. */
  own: { readonly before: readonly string[]; readonly after: readonly string[] },
): FileWarning[] {
  const sameAs = (word: string, others: readonly string[]): string | undefined =>
    others.find((other) => nameOf(other) === nameOf(word) && other !== word);
  return appended.flatMap(wordsOf).flatMap((word): FileWarning[] => {
    const warn = (problem: string, remedy = "leave it out, unless that is what you want to see"): FileWarning[] => [
      { file: `--append ${word}`, place: "", problem, remedy },
    ];
    const [named, nic, before, after] = [hostname === undefined ? [] : [hostname], nics, own.before, own.after].map(
      (others) => sameAs(word, others),
    );
    if (named !== undefined)
      return warn(`takes the place of ${named}; the image has its name from networking.json all the same`);
    if (nic !== undefined && isNicTag(nic))
      return warn(`takes the place of ${nic} of networking.json, as an operator's does in CNAPI`);
    if (nic !== undefined) return warn(`is replaced by ${nic} of networking.json, as the booter does it`);
    if (after !== undefined) return warn(`comes before the booter's own ${after}, which counts`);
    if (before === undefined) return [];
    if (nameOf(word) === "console") {
      return warn(
        "comes after the booter's own, so it is /dev/console, and what systemd prints there may not come on ttyS1",
      );
    }
    const isTaken = nameOf(word) === "ip" ? isAddress(word) : nameOf(word) !== "BOOTIF" || isMac(word);
    return isTaken
      ? warn(`comes after the booter's own ${before}, and counts in its place`)
      : warn(`has not what the booter's own ${before} has, so the image uses the booter's; other images may not`);
  });
}

/** What an image takes from ip= and BOOTIF= (proto/usr/triton/lib/early-boot/booter-arguments.sh). */
const isAddress = (word: string): boolean => /^ip=[\d.]+:[^:]*:[^:]*:[\d.]+(?::|$)/.test(word);
const isMac = (word: string): boolean => /^BOOTIF=[0-9a-f]{2}(-[0-9a-f]{2}){6}$/i.test(word);
const isNicTag = (argument: string): boolean => nameOf(argument).endsWith("_nic");
const nameOf = (word: string): string => word.split("=")[0] ?? "";
/** As iPXE splits a line, and initramfs-tools the command line: quotes mean nothing. */
const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

/** The command line that Linux gets from iPXE. @param kernelLine the line of boot.ipxe that begins with `kernel` */
export function linuxCommandLine(kernelLine: string, firmware: FirmwareName): string {
  const [, uri = "", ...args] = wordsOf(kernelLine);
  // On UEFI the name of the image comes first.
  return [...(firmware === "uefi" ? [uri.slice(uri.lastIndexOf("/") + 1)] : []), ...args].join(" ");
}

/**
 * Judges the length of a command line. Linux cuts off what is too much without a word, and the booter's last argument is fetch=.
 * @param appended what the operator added
 * @returns a warning where the files alone make it too long: the booter would serve it so
 * @throws UsageError COMMAND_LINE_TOO_LONG where it is what the operator added
 */
export function checkCommandLine(commandLine: string, appended: readonly string[], networkingPath = ""): FileWarning[] {
  const bytes = Buffer.byteLength(commandLine);
  const excess = bytes - LONGEST_COMMAND_LINE;
  if (excess <= 0) return [];
  const limit = `and Linux takes ${LONGEST_COMMAND_LINE} on x86 (COMMAND_LINE_SIZE), so its end is cut off: fetch=, without which no root is found`;
  const added = appended.reduce((sum, argument) => sum + Buffer.byteLength(argument) + 1, 0);
  if (added < excess) {
    const problem = `makes a kernel command line of ${bytes} bytes, ${limit}`;
    return [
      { file: networkingPath, place: "", problem, remedy: "have fewer NIC tags and aggregations on this server" },
    ];
  }
  const longest = [...appended].sort((a, b) => b.length - a.length)[0] ?? "";
  const shown = longest.length > 40 ? `${longest.slice(0, 40)}…` : longest;
  throw new UsageError("COMMAND_LINE_TOO_LONG", `the kernel command line would have ${bytes} bytes, ${limit}`, {
    hint: `make what is appended at least ${excess} byte${excess === 1 ? "" : "s"} shorter; the longest is --append ${JSON.stringify(shown)} (${longest.length} bytes)`,
  });
}

/**
 * The command `disklayout`: prints the layout of a pool (layout.mjs) as JSON, for mkzpool.
 * Source of options and output: disklayout(8) of SmartOS. A failure is one line on standard output, as joysetup.sh prints it.
 */

import { readFileSync } from "node:fs";
import { parseOptions } from "../command-line.mjs";
import { openHost } from "../sysinfo/host.mjs";
import { parseDisks } from "./disk-file.mjs";
import { layOut } from "./layout.mjs";
import { LayoutError } from "./layout-error.mjs";
import { isMounted } from "./mount-table.mjs";
import { nodeDisks } from "./node-disks.mjs";
import { layoutNames } from "./vdevs.mjs";

const usage = `usage: disklayout [-c] [-e NAME,...] [-f FILE] [-s SPARES] [-w WIDTH] [LAYOUT]
Lays out a ZFS pool on the free disks of this node, and prints it as JSON for mkzpool. Nothing is changed.
  -c         no cache devices
  -e NAMES   disks to leave out, e.g. sdb,sdc
  -f FILE    take the disks from a file instead: type, name, vendor, product, bytes, removable (yes or no) and
             solid state (yes or no), separated by tabs
  -s SPARES  exactly so many spares
  -w WIDTH   disks of a vdev, at least 2
LAYOUT is ${layoutNames.join(", ")}; without it, number, size and kind of the disks decide.
`;

/** Exit statuses. */
const FAILED = 1;
const WRONG_USAGE = 2;

class UsageError extends Error {}

/** @param {readonly string[]} args */
export async function main(args) {
  try {
    const request = parse(args);
    if (request.help) process.stdout.write(usage);
    else process.stdout.write(`${JSON.stringify(await run(request, openHost("disklayout")), null, "\t")}\n`);
  } catch (error) {
    if (!(error instanceof LayoutError || error instanceof UsageError)) throw error;
    const remedy = error instanceof UsageError ? "; try: disklayout -h" : "";
    process.stdout.write(`fatal error: ${error.message}${remedy}\n`);
    process.exitCode = error instanceof UsageError ? WRONG_USAGE : FAILED;
  }
}

/**
 * @param {object} request what `parse` returns
 * @param {import("../sysinfo/host.mjs").Host} host
 */
async function run({ file, excluded, ...request }, host) {
  const disks = file === undefined ? await nodeDisks(host) : disksOf(file, host);
  for (const name of excluded) {
    if (!disks.some((disk) => isNamed(disk, name))) host.warn(`-e ${name}: no such disk is free`);
  }
  return layOut(
    disks.filter((disk) => !excluded.some((name) => isNamed(disk, name))),
    request,
  );
}

const isNamed = (disk, name) => disk.name.toLowerCase() === name;

function disksOf(file, host) {
  let text;
  try {
    text = readFileSync(file, "utf8");
  } catch ({ code }) {
    throw new LayoutError(`cannot read ${file} (${code})`);
  }
  const mounted = isMounted(host.read("/proc/self/mounts"));
  return parseDisks(text, file).filter(({ name }) => !mounted(name));
}

/** Values are trimmed, because joysetup.sh passes an option and its value as one word, e.g. "-s 2". */
function parse(args) {
  const { values, positionals } = parsed(args);
  const [layout, ...rest] = positionals.map((word) => word.trim());
  if (rest.length > 0) throw new UsageError(`more than one layout: ${positionals.join(" ")}`);
  return {
    help: values.h === true,
    cache: values.c !== true,
    file: values.f?.trim(),
    excluded: (values.e ?? "")
      .split(",")
      .map((name) =>
        name
          .trim()
          .toLowerCase()
          .replace(/^\/dev\//, ""),
      )
      .filter((name) => name !== ""),
    spares: wholeNumber(values.s, 0, "number of spares"),
    width: wholeNumber(values.w, 2, "width"),
    layout: layout || undefined,
  };
}

function parsed(args) {
  try {
    return parseOptions(args, { flags: ["c", "h"], values: ["e", "f", "s", "w"] });
  } catch (error) {
    throw new UsageError(error.message);
  }
}

function wholeNumber(text, least, what) {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!/^\d+$/.test(text.trim()) || !Number.isSafeInteger(number) || number < least) {
    throw new UsageError(`invalid ${what} ${JSON.stringify(text)}: it is a whole number, at least ${least}`);
  }
  return number;
}

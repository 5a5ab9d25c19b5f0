/**
 * The command `mkzpool`: creates a pool from the JSON that disklayout prints.
 * Source of options and output: mkzpool(8) of SmartOS. A failure is one line on standard output, as joysetup.sh prints it.
 */

import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { parseOptions } from "../command-line.mjs";
import { readPassphrase } from "./passphrase.mjs";
import { PoolError } from "./pool-error.mjs";
import { parsePool } from "./pool-file.mjs";
import { zpoolArgv } from "./zpool-argv.mjs";
import { zpoolCreate } from "./zpool-create.mjs";

const usage = `usage: mkzpool [-B] [-e] [-f] POOL FILE
Creates the ZFS pool POOL from FILE, the JSON that disklayout prints. What is on its disks is lost.
  -B  make the pool bootable; fails, because OpenZFS on Linux does not make an EFI system partition
  -e  encrypt it; the passphrase comes from standard input. Early boot cannot open such a pool: it is no system pool
  -f  use disks that hold another pool or a file system
`;

/** Exit statuses. After an interrupt it is 128 and the number of the signal, as in a shell. */
const FAILED = 1;
const WRONG_USAGE = 2;

const warn = (what) => process.stderr.write(`mkzpool: ${what}\n`);

/** @param {readonly string[]} args */
export async function main(args) {
  let request;
  try {
    request = parse(args);
  } catch (error) {
    process.stdout.write(`fatal error: ${error.message}; try: mkzpool -h\n`);
    process.exitCode = WRONG_USAGE;
    return;
  }
  if (request.help) {
    process.stdout.write(usage);
    return;
  }
  try {
    const interrupt = await create(request);
    if (interrupt !== undefined) {
      warn(`pool ${request.pool} is created; interrupted by ${interrupt}`);
      process.exitCode = 128 + constants.signals[interrupt];
    }
  } catch (error) {
    if (!(error instanceof PoolError)) throw error;
    process.stdout.write(`fatal error: pool creation failed: ${error.message}\n`);
    process.exitCode = FAILED;
  }
}

async function create({ bootable, encrypt, force, pool, file }) {
  if (bootable) {
    throw new PoolError("-B: OpenZFS on Linux does not make an EFI system partition; try: mkzpool without -B");
  }
  const argv = zpoolArgv(pool, parsePool(read(file), file), { force, encrypt });
  const terminal = encrypt && process.stdin.isTTY === true;
  const passphrase = encrypt && !terminal ? await readPassphrase(process.stdin) : undefined;
  return await zpoolCreate(argv, { passphrase, terminal, warn });
}

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch ({ code }) {
    throw new PoolError(`cannot read ${file} (${code}); try: disklayout >${file}`);
  }
}

/** @throws Error with its reason if the arguments are wrong */
function parse(args) {
  const { values, positionals } = parseOptions(args, { flags: ["B", "e", "f", "h"] });
  const help = values.h === true;
  if (!help && positionals.length !== 2) throw new Error("a pool and a file are needed");
  const [pool, file] = positionals;
  return { help, bootable: values.B === true, encrypt: values.e === true, force: values.f === true, pool, file };
}

/**
 * The command `sysinfo`: prints the machine's facts as JSON with an indent of two.
 * Nothing is cached: each call looks anew, so SmartOS' options about its cache have nothing to do here.
 * Not here: the facts (sysinfo.mjs).
 */

import { openHost } from "./host.mjs";
import { sysinfo } from "./sysinfo.mjs";

const usage = `usage: sysinfo [-f] [-u]
Prints what Triton wants to know of this machine, as JSON.
  -f  look anew: it always does
  -u  bring the cache up to date and print nothing: there is no cache
`;

/** @param {readonly string[]} args */
export async function main(args) {
  const unknown = args.find((arg) => !["-f", "-u"].includes(arg));
  if (unknown !== undefined) {
    const asked = ["-?", "-h", "--help"].includes(unknown);
    process[asked ? "stdout" : "stderr"].write(asked ? usage : `sysinfo: unknown option ${unknown}\n${usage}`);
    process.exitCode = asked ? 0 : 2;
  } else if (!args.includes("-u")) {
    const facts = await sysinfo(openHost());
    process.stdout.write(`${JSON.stringify(facts, null, 2)}\n`);
  }
}

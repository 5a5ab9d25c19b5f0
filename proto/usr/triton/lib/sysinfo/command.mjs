/**
 * The command `sysinfo`: prints the machine's facts (sysinfo.mjs) as JSON with an indent of two.
 * Each call reads the facts again; there is no cache. The options of SmartOS for its cache are accepted and do nothing.
 */

import { openHost } from "./host.mjs";
import { sysinfo } from "./sysinfo.mjs";

const usage = `usage: sysinfo [-f] [-u]
Prints facts about this machine for Triton, as JSON.
  -f  read the facts again; accepted for compatibility with SmartOS, and the default
  -u  update the cache and print nothing; accepted for compatibility: there is no cache
`;

/** @param {readonly string[]} args */
export async function main(args) {
  const unknown = args.find((arg) => !["-f", "-u"].includes(arg));
  if (unknown !== undefined) {
    const asked = ["-?", "-h", "--help"].includes(unknown);
    process[asked ? "stdout" : "stderr"].write(asked ? usage : `sysinfo: unknown option ${unknown}\n${usage}`);
    process.exitCode = asked ? 0 : 2;
  } else if (!args.includes("-u")) {
    const facts = await sysinfo(openHost("sysinfo"));
    process.stdout.write(`${JSON.stringify(facts, null, 2)}\n`);
  }
}

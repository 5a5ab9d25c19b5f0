/**
 * Reads the layout of a pool from the output of `zpool status -L -P POOL`.
 * Source: print_status_config() and print_class_vdevs() of OpenZFS 2.1, cmd/zpool/zpool_main.c.
 *
 * Below the line of headings each row begins with a tab and two spaces per level. The first row of level 0 is the pool, and
 * the rows below it hold data. Every later row of level 0 is the heading of a class: logs, special, dedup, cache, spares.
 * A pool may have the name of a class, so the name of a row does not identify its kind.
 */

/** A row: its name, then state, counters and remarks. The name may contain spaces, so the last state word ends it. */
const state = /^(.*\S)\s+(?:ONLINE|DEGRADED|FAULTED|OFFLINE|UNAVAIL|REMOVED|SPLIT|AVAIL|INUSE|UNKNOWN)(?:\s.*)?$/;

const kindOfVdev = /^(mirror|raidz[123]?|draid[123]?)[-:]/;

/**
 * @param {string} [status]
 * @returns {{members: string[], profile: string} | undefined} undefined if the text has no rows.
 *   `members`: paths of the devices that hold data, in the order of the rows. A missing device has a number instead of a path,
 *   and is not among them. `profile`: kind of the first vdev that has one (mirror, raidz, raidz2, raidz3, draid, draid2, draid3),
 *   or striped.
 */
export function poolLayout(status = "") {
  const [, rows] = /\n\tNAME\s.*\n((?:\t.*\n?)*)/.exec(`\n${status}`) ?? [];
  if (!rows) return undefined;
  const members = [];
  let profile;
  let classes = 0;
  for (const line of rows.split("\n")) {
    const [, indent = "", text = ""] = /^\t( *)(.*)$/.exec(line) ?? [];
    const name = state.exec(text)?.[1] ?? text.trimEnd();
    if (name === "") continue;
    if (indent === "") classes += 1;
    else if (classes !== 1) continue;
    else if (name.startsWith("/")) members.push(name);
    else profile ??= kindOfVdev.exec(name)?.[1].replace(/^(raidz|draid)1$/, "$1");
  }
  return { members, profile: profile ?? "striped" };
}

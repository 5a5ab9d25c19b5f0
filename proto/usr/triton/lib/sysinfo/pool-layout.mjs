/**
 * How a pool is laid out, from what `zpool status -L -P POOL` prints.
 * Source: print_status_config() and print_class_vdevs() of OpenZFS 2.1, cmd/zpool/zpool_main.c.
 *
 * Below the line of headings each row begins with a tab and two spaces per level. The first row of level 0 is the pool, and
 * the rows below it hold data. Every later row of level 0 is the heading of a class: logs, special, dedup, cache, spares.
 * A pool may have the name of a class, so names do not tell one from the other.
 */

/** What follows a row's name: its state, counters and remarks. The name itself may have spaces, so the last such word counts. */
const state = /^(.*\S)\s+(?:ONLINE|DEGRADED|FAULTED|OFFLINE|UNAVAIL|REMOVED|SPLIT|AVAIL|INUSE|UNKNOWN)(?:\s.*)?$/;

const kindOfVdev = /^(mirror|raidz[123]?|draid[123]?)[-:]/;

/**
 * @param {string} status
 * @returns {{members: string[], profile: string}} paths of the devices that hold data, in the order of the rows, and the
 *   kind of the first vdev that has one: mirror, raidz, raidz2, raidz3, draid, draid2, draid3; else striped. A device that
 *   is missing has a number in place of its path, and is not among the members.
 */
export function poolLayout(status) {
  const [, rows = ""] = /\n\tNAME\s.*\n((?:\t.*\n?)*)/.exec(`\n${status}`) ?? [];
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

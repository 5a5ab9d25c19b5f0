/** Gives each group of disks a role in the pool: storage, logs (intent log) or cache (second-level ARC). */

/** The smallest solid-state group becomes logs if it has fewer disks than this. */
const TOO_MANY_LOGS = 5;

/**
 * @param {readonly import("./disk-groups.mjs").DiskGroup[]} groups
 * @param {{cache: boolean}} options without cache, disks that would be cache are not used
 * @returns {{storage?: readonly Disk[], logs?: readonly Disk[], cache?: readonly Disk[]}} roles without disks are left out.
 *   Cache disks are in the order of their groups: spinning ones first, each kind from the smallest on.
 */
export function assignRoles(groups, { cache }) {
  if (groups.length <= 1) return groups.length === 0 ? {} : { storage: groups[0].disks };
  const spinning = bySize(groups.filter(({ solidState }) => !solidState));
  const solid = bySize(groups.filter(({ solidState }) => solidState));
  const storage = (spinning.length > 0 ? spinning : solid).pop();
  const logs = solid.length > 0 && solid[0].disks.length < TOO_MANY_LOGS ? solid.shift() : undefined;
  const cached = cache ? [...spinning, ...solid].flatMap(({ disks }) => disks) : [];
  return {
    storage: storage.disks,
    ...(logs !== undefined && { logs: logs.disks }),
    ...(cached.length > 0 && { cache: cached }),
  };
}

/** Sorts groups by their smallest disk, which limits what a group can hold. */
const bySize = (groups) => groups.toSorted((a, b) => a.disks[0].size - b.disks[0].size);

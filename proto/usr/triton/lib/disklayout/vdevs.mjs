/**
 * Divides the storage disks into vdevs and spares, in each of the layouts.
 *
 * Vdevs take disks from the smallest on, and the largest become spares, because a spare must be at least as large as the disk
 * that it replaces. The capacity of a vdev is that of its smallest disk, times the disks that hold no parity.
 *
 * @typedef {import("./disk-groups.mjs").Disk} Disk
 * @typedef {object} Request
 * @property {number} [spares] exactly so many spares. @default as many as the layout needs to come out even
 * @property {number} [width] disks of a vdev, at least 2. @default the narrowest that fits
 *
 * @typedef {object} Division
 * @property {({type: string, devices: readonly Disk[]} | Disk)[]} vdevs
 * @property {number} capacity in bytes
 * @property {readonly Disk[]} [spares]
 */

import { LayoutError } from "./layout-error.mjs";

/**
 * Stripe widths of raidz in disks. Without a fixed number of spares, there is at least one spare for each `disksPerSpare`
 * disks, but the first two are enough. `exact` numbers of disks make one vdev, narrower than the others may be.
 */
const RAIDZ = {
  // The vdev's name is that of 2012, which zpool still takes.
  raidz1: { type: "raidz", parity: 1, narrowest: 3, widest: 6, disksPerSpare: 7, exact: [] },
  raidz2: { type: "raidz2", parity: 2, narrowest: 7, widest: 12, disksPerSpare: 12, exact: [5, 6] },
  raidz3: { type: "raidz3", parity: 3, narrowest: 9, widest: 20, disksPerSpare: 15, exact: [7, 8] },
};

/** Most disks that one spare of mirrors stands for. */
const MIRRORED_DISKS_PER_SPARE = 16;

const divisions = new Map([
  ["single", single],
  ["mirror", mirrors],
  ...Object.entries(RAIDZ).map(([name, kind]) => [name, (disks, request) => raidz(disks, request, kind)]),
]);

/** The names of the layouts. */
export const layoutNames = [...divisions.keys()];

/** The widest vdev of a raidz layout without a given width. */
export const widestRaidz = (layout) => RAIDZ[layout].widest;

/**
 * @param {string} layout
 * @param {readonly Disk[]} disks at least one, sorted by size
 * @param {Request} request
 * @returns {Division}
 * @throws LayoutError if the layout is unknown, or does not fit the disks, the spares or the width
 */
export function divide(layout, disks, request) {
  const division = divisions.get(layout);
  if (division === undefined) throw new LayoutError(`unknown layout ${layout}`);
  return division(disks, request);
}

/** The smallest disk alone; all others stay unused. */
function single([disk], { spares = 0 }) {
  if (spares !== 0) throw new LayoutError("spares are not allowed for a single disk pool");
  return { vdevs: [disk], capacity: disk.size };
}

/** With a fixed odd number of disks in mirrors of two, the last "mirror" has one disk, as in SmartOS; mkzpool refuses it. */
function mirrors(disks, { spares, width }) {
  const count = disks.length;
  if (count < 2) throw new LayoutError("at least 2 disks are required for mirroring");
  const available = count - (spares ?? 0);
  if (width !== undefined && (width < 2 || width > available)) {
    throw new LayoutError(`${width} is an invalid width for mirroring and ${available} disks`);
  }
  if (spares !== undefined && spares > count - (width ?? 2)) {
    throw new LayoutError(`${spares} is an invalid number of spares for ${count} disks`);
  }
  return stripes(disks, {
    type: "mirror",
    parity: (width ?? 2) - 1,
    width: width ?? 2,
    spares: spares ?? (width === undefined ? sparesOfPairs(count) : count % width),
    partial: width === undefined,
  });
}

/** As many spares as the disks need, plus one if an odd number remains. */
function sparesOfPairs(count) {
  if (count === 2 || count === 4) return 0;
  const spares = Math.ceil(count / MIRRORED_DISKS_PER_SPARE);
  return spares + ((count - spares) % 2);
}

function raidz(disks, request, { type, parity, disksPerSpare, exact, ...limits }) {
  const count = disks.length;
  const [narrowest, widest] = exact.includes(count) ? [count, count] : [limits.narrowest, limits.widest];
  const fixedSpares = request.spares !== undefined;
  let spares = request.spares ?? Math.min(2, Math.floor(count / disksPerSpare));
  let { width } = request;
  if (width !== undefined) {
    if (width < narrowest || width > count) {
      throw new LayoutError(
        `${width} is an invalid width for ${type} and ${count} disks (min: ${narrowest}, default max: ${widest})`,
      );
    }
    if (!fixedSpares) spares = count % width;
    if (count - spares < width) throw new LayoutError(`${width} is an invalid width for ${type} and ${spares} spares`);
  } else {
    width = evenWidth(count - spares, narrowest, widest);
    while (width === undefined && !fixedSpares && count - spares > narrowest) {
      spares += 1;
      width = evenWidth(count - spares, narrowest, widest);
    }
    if (width === undefined) {
      const withSpares = count - spares >= narrowest ? ` and ${spares} ${spares === 1 ? "spare" : "spares"}` : "";
      throw new LayoutError(`no acceptable ${type} layout is possible with ${count} disks${withSpares}`);
    }
  }
  return stripes(disks, { type, parity, width, spares, partial: false });
}

/** The narrowest width within limits that leaves no disk over; narrow stripes are faster. */
function evenWidth(count, narrowest, widest) {
  for (let width = narrowest; width <= Math.min(widest, count); width += 1) {
    if (count % width === 0) return width;
  }
  return undefined;
}

/** Vdevs of one width. Disks that do not fill the last one make a `partial` vdev, or stay unused. */
function stripes(disks, { type, parity, width, spares, partial }) {
  const stored = disks.slice(0, disks.length - spares);
  const vdevs = [];
  for (let first = 0; first < stored.length; first += width) {
    const devices = stored.slice(first, first + width);
    if (partial || devices.length === width) vdevs.push({ type, devices });
  }
  return {
    vdevs,
    capacity: vdevs.reduce((sum, { devices }) => sum + (width - parity) * devices[0].size, 0),
    ...(spares > 0 && { spares: disks.slice(disks.length - spares) }),
  };
}

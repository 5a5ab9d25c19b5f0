/**
 * The size under which a disk is sold. Disks of one advertised size differ by a few per cent from vendor to vendor, and a pool
 * takes them as equal.
 */

/** Advertised sizes are multiples of these, in MB of 1,000,000 bytes; the wide steps are for large disks. */
const STEPS_MB = [500_000, 150_000, 80_000, 20_000, 4_500, 1_000];

/** How far a disk may be from an advertised size, as a fraction of its own size. */
const TOLERANCE = 0.05;

/**
 * @param {number} bytes
 * @returns {number} the advertised size in GB. 0 for a disk below half a GB, which is too small for a pool.
 */
export function sizeClass(bytes) {
  const mb = bytes / 1e6;
  const best = STEPS_MB.map((step) => candidate(mb, step))
    .filter(({ distance }) => distance <= TOLERANCE)
    // An exact size is no reason to prefer a wide step: a narrower one replaces it, and then counts by its own penalty.
    .reduce((kept, next) => (kept.penalty === 0 || next.penalty < kept.penalty ? next : kept), { penalty: 0 });
  return best.distance < TOLERANCE ? best.size / 1000 : Math.round(mb / 1000);
}

/** The multiple of a step that is nearest to a disk's size. The penalty grows with the number of steps: wide steps win. */
function candidate(mb, step) {
  const steps = Math.round(mb / step);
  const size = steps * step;
  return { size, distance: Math.abs(mb - size) / mb, penalty: (mb - size) ** 2 * steps ** 4 };
}

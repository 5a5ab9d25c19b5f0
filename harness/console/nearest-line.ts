/**
 * Finds the line most similar to the awaited text, for the error message of a failed wait.
 * Compares trigrams of lower-case text, as PostgreSQL's pg_trgm does, so that misspelt, cut and changed words count.
 */

/** Least similarity that is not chance. */
const leastLikeness = 0.35;

/** @returns the line most similar to `wanted`, the later of two equals; undefined if no line is similar */
export function nearestLine(wanted: RegExp | string, lines: Iterable<string>): string | undefined {
  const sought = trigrams(typeof wanted === "string" ? wanted : literalText(wanted));
  let best: string | undefined;
  let bestLikeness = leastLikeness;
  for (const line of lines) {
    const likeness = share(sought, trigrams(line.slice(0, 500)));
    if (likeness < bestLikeness) continue;
    best = line;
    bestLikeness = likeness;
  }
  return best;
}

/** Share of the sought trigrams in the line. A longer line scores slightly lower. */
function share(sought: ReadonlySet<string>, found: ReadonlySet<string>): number {
  if (sought.size === 0) return 0;
  let common = 0;
  for (const part of sought) if (found.has(part)) common += 1;
  return (0.9 * common) / sought.size + (0.1 * common) / Math.max(sought.size, found.size);
}

function trigrams(text: string): Set<string> {
  const parts = new Set<string>();
  for (const word of text.toLowerCase().split(/[^\p{L}\p{N}]+/u)) {
    if (word === "") continue;
    const padded = `  ${word} `;
    for (let index = 0; index + 3 <= padded.length; index += 1) parts.add(padded.slice(index, index + 3));
  }
  return parts;
}

/** The literal text of a pattern: `/^triton: hostid ([0-9a-f]{8})$/` → "triton: hostid". */
function literalText(pattern: RegExp): string {
  return pattern.source
    .replace(/\[(?:\\.|[^\]\\])*\]/g, " ") // character classes
    .replace(/\{\d+(?:,\d*)?\}/g, " ")
    .replace(/\(\?(?:<?[=!]|:|<\w+>)/g, " ")
    .replace(/\\[a-zA-Z0-9]/g, " ") // \d, \s, \b and similar
    .replace(/\\(.)/g, "$1")
    .replace(/[\^$.*+?()|]/g, " ");
}

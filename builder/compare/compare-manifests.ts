/** Compares the contents of two squashfs files by their manifests. */
import type { ManifestEntry } from "../verify/manifest.js";
import type { TreeDifference } from "./compare-trees.js";

type Manifest = ReadonlyMap<string, ManifestEntry>;

/** Returns the paths that differ, sorted. */
export function compareManifests(one: Manifest, two: Manifest): TreeDifference[] {
  const differences: TreeDifference[] = [];
  for (const path of [...new Set([...one.keys(), ...two.keys()])].sort()) {
    const [a, b] = [one.get(path), two.get(path)];
    if (b === undefined) differences.push({ path, how: "only in the first" });
    else if (a === undefined) differences.push({ path, how: "only in the second" });
    else {
      const keywords = [...new Set([...a.keywords.keys(), ...b.keywords.keys()])];
      const changed = keywords.filter((keyword) => a.keywords.get(keyword) !== b.keywords.get(keyword));
      const how = changed.map((keyword) => `${keyword} ${a.keywords.get(keyword)} and ${b.keywords.get(keyword)}`);
      if (how.length > 0) differences.push({ path, how: how.join(", ") });
    }
  }
  return differences;
}

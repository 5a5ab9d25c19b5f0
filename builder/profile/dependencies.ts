/** Finds packages of a lock set together with those that they depend on. */
import type { LockedDeb, LockSet } from "./lock-set.js";

/**
 * The packages with these names or virtual names, and all packages of the set on which they depend, sorted by name. Of
 * alternatives, every one that is in the set counts; versions are not compared, because a set has one version of a package.
 * Source: Debian Policy 7.1 "Syntax of relationship fields".
 */
export function withDependencies(set: LockSet, names: readonly string[]): readonly LockedDeb[] {
  const providers = new Map<string, LockedDeb[]>();
  for (const deb of set.packages) {
    for (const name of [deb.name, ...namesIn(deb, "Provides")]) {
      providers.set(name, [...(providers.get(name) ?? []), deb]);
    }
  }
  const found = new Set<LockedDeb>();
  const add = (name: string): void => {
    for (const deb of providers.get(name) ?? []) {
      if (found.has(deb)) continue;
      found.add(deb);
      for (const field of ["Pre-Depends", "Depends"]) namesIn(deb, field).forEach(add);
    }
  };
  names.forEach(add);
  return set.packages.filter((deb) => found.has(deb));
}

/** The package names in a relationship field, without versions and architectures. */
const namesIn = ({ stanza }: LockedDeb, field: string): string[] =>
  (stanza.get(field) ?? "").split(/[,|]/).flatMap((relation) => /[a-z0-9][a-z0-9+.-]+/.exec(relation)?.[0] ?? []);

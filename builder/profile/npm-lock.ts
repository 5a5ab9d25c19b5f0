/**
 * The npm tree of a profile: the packages of a package-lock.json.
 * Source: docs.npmjs.com "package-lock.json", lockfileVersion 3, `packages`.
 */
import { InputError } from "../builder-error.js";
import { type Digest, parseIntegrity } from "./digest.js";

/** A package of the npm registry in the lock. */
export interface LockedNpm {
  readonly kind: "npm";
  readonly name: string;
  readonly version: string;
  readonly digest: Digest;
  /** Path of the package in the tree, for example "node_modules/json". */
  readonly path: string;
}

/**
 * Parses a package-lock.json in the form that npm writes (`npm install --package-lock-only`). It omits optional packages,
 * because these compile native code.
 * @param file its path, for messages
 * @throws InputError MALFORMED
 */
export function parseNpmLock(text: string, file: string): LockedNpm[] {
  const malformed = (why: string, cause?: unknown): InputError =>
    new InputError("MALFORMED", `${file}: ${why}`, { cause });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw malformed(`not JSON: ${(cause as Error).message}`, cause);
  }
  if (!isRecord(json) || json["lockfileVersion"] !== 3) throw malformed("not a package-lock.json of lockfileVersion 3");
  const { packages } = json;
  if (!isRecord(packages)) throw malformed("no packages");
  const locked: LockedNpm[] = [];
  for (const [path, entry] of Object.entries(packages)) {
    if (!isRecord(entry)) throw malformed(`"${path}" is not an object`);
    if (path === "" || entry["optional"] === true || entry["dev"] === true) continue;
    if (
      !/^(node_modules\/(@[\w.-]+\/)?[\w.-]+)(\/node_modules\/(@[\w.-]+\/)?[\w.-]+)*$/.test(path) ||
      path.includes("..")
    )
      throw malformed(`"${path}" is not a path in node_modules`);
    const { version, integrity, name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length) } = entry;
    if (typeof version !== "string" || !/^\d+\.\d+\.\d+[\w.+-]*$/.test(version))
      throw malformed(`"${path}" has no version`);
    const digest = typeof integrity === "string" ? parseIntegrity(integrity) : undefined;
    if (digest === undefined) throw malformed(`"${path}" has no sha512 integrity`);
    if (typeof name !== "string" || !/^(@[\w.-]+\/)?[\w.-]+$/.test(name))
      throw malformed(`"${path}" has an invalid package name`);
    locked.push({ kind: "npm", name, version, digest, path });
  }
  return locked;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

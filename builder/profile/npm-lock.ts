/**
 * The npm tree of a profile: the packages of a package-lock.json.
 * Source: docs.npmjs.com "package-lock.json", lockfileVersion 3, `packages`.
 */
import { z } from "zod";
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

const NO_LOCK = "not a package-lock.json of lockfileVersion 3";
const NO_VERSION = "has no version";
const NO_INTEGRITY = "has no sha512 integrity";
const BAD_NAME = "has a name that npm does not allow";

const packageLock = z.object(
  {
    lockfileVersion: z.literal(3, NO_LOCK),
    packages: z.record(z.string(), z.record(z.string(), z.unknown(), "is not an object"), "it has no packages"),
  },
  NO_LOCK,
);

const lockedPackage = z.object({
  version: z.string(NO_VERSION).regex(/^\d+\.\d+\.\d+[\w.+-]*$/, NO_VERSION),
  integrity: z.string(NO_INTEGRITY).transform((text, { addIssue }) => {
    const digest = parseIntegrity(text);
    if (digest === undefined) addIssue(NO_INTEGRITY);
    return digest ?? z.NEVER;
  }),
  name: z
    .string(BAD_NAME)
    .regex(/^(@[\w.-]+\/)?[\w.-]+$/, BAD_NAME)
    .optional(),
});

const PATH = /^(node_modules\/(@[\w.-]+\/)?[\w.-]+)(\/node_modules\/(@[\w.-]+\/)?[\w.-]+)*$/;

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
  const lock = packageLock.safeParse(json);
  if (!lock.success) {
    const { path = [], message = "" } = lock.error.issues[0] ?? {};
    throw malformed(path.length > 1 ? `"${String(path[1])}" ${message}` : message, lock.error);
  }
  const locked: LockedNpm[] = [];
  for (const [path, entry] of Object.entries(lock.data.packages)) {
    if (path === "" || entry["optional"] === true || entry["dev"] === true) continue;
    if (!PATH.test(path) || path.includes("..")) throw malformed(`"${path}" is not a path in node_modules`);
    const parsed = lockedPackage.safeParse(entry);
    if (!parsed.success) throw malformed(`"${path}" ${parsed.error.issues[0]?.message}`, parsed.error);
    const { version, integrity: digest, name = path.slice(path.lastIndexOf(ABOVE) + ABOVE.length) } = parsed.data;
    locked.push({ kind: "npm", name, version, digest, path });
  }
  return locked;
}

const ABOVE = "node_modules/";

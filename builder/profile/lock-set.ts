/**
 * A lock set: the stanzas of exactly the packages that one part of the build uses (DESIGN D3).
 */
import { createHash } from "node:crypto";
import { InputError } from "../builder-error.js";
import { parseDeb822, type Stanza } from "./deb822.js";
import { type Digest, parseHexDigest } from "./digest.js";

/** A .deb of the lock. */
export interface LockedDeb {
  readonly kind: "deb";
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Path below the archive's base address, for example pool/main/a/apt/apt_2.6.1_amd64.deb */
  readonly filename: string;
  /** Size in bytes. */
  readonly size: number;
  readonly digest: Digest;
  readonly stanza: Stanza;
}

export interface LockSet {
  readonly name: string;
  /** Text of the lock file, which the gateway serves as Packages. */
  readonly text: string;
  /** SHA-256 of the text. */
  readonly digest: Digest;
  /** Sorted by name. */
  readonly packages: readonly LockedDeb[];
}

/**
 * Parses a lock file.
 * @param file its path, for messages
 * @throws InputError MALFORMED with file and line, for a missing or invalid field or a duplicate package
 */
export function parseLockSet(name: string, text: string, file: string): LockSet {
  const packages = parseDeb822(text, file).map(parseLockedDeb);
  const seen = new Map<string, LockedDeb>();
  for (const deb of packages) {
    const other = seen.get(deb.name);
    if (other !== undefined)
      throw new InputError("MALFORMED", `${deb.stanza.place}: package ${deb.name} is also at ${other.stanza.place}`);
    seen.set(deb.name, deb);
  }
  if (packages.length === 0) throw new InputError("MALFORMED", `${file}: the lock file names no package`);
  const digest: Digest = { algorithm: "sha256", hex: createHash("sha256").update(text).digest("hex") };
  return { name, text, digest, packages: packages.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

function parseLockedDeb(stanza: Stanza): LockedDeb {
  const malformed = (field: string, value: string, why: string): InputError =>
    new InputError("MALFORMED", `${stanza.place}: ${field} of ${stanza.require("Package")} ${why}: ${value}`);
  const name = stanza.require("Package");
  if (!/^[a-z0-9][a-z0-9+.-]+$/.test(name)) throw malformed("Package", name, "is not a package name");
  const filename = stanza.require("Filename");
  // It becomes part of an address and of a path, so it must not lead out of the archive.
  if (!/^[\w.+~%:-]+(\/[\w.+~%:-]+)*\.deb$/.test(filename) || filename.split("/").includes(".."))
    throw malformed("Filename", filename, "is not a path below an archive");
  const size = stanza.require("Size");
  if (!/^[1-9]\d{0,14}$/.test(size)) throw malformed("Size", size, "is not a number of bytes");
  const sha256 = stanza.require("SHA256");
  const digest = parseHexDigest("sha256", sha256);
  if (digest === undefined) throw malformed("SHA256", sha256, "is not 64 hexadecimal digits");
  return {
    kind: "deb",
    name,
    version: stanza.require("Version"),
    architecture: stanza.require("Architecture"),
    filename,
    size: Number(size),
    digest,
    stanza,
  };
}

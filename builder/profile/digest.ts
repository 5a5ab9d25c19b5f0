/** Digests in the forms of the locks: Debian's SHA256 in hexadecimal, npm's Subresource Integrity (sha512 in base64). */
import { createHash } from "node:crypto";

export interface Digest {
  readonly algorithm: "sha256" | "sha512";
  /** Lower-case hexadecimal. */
  readonly hex: string;
}

const hexLength = { sha256: 64, sha512: 128 } as const;

/** Parses a hexadecimal digest; undefined if the text is not one of the right length. */
export function parseHexDigest(algorithm: Digest["algorithm"], text: string): Digest | undefined {
  const hex = text.toLowerCase();
  return /^[0-9a-f]+$/.test(hex) && hex.length === hexLength[algorithm] ? { algorithm, hex } : undefined;
}

/** Parses "sha512-<base64>" (W3C Subresource Integrity); undefined for another text. */
export function parseIntegrity(text: string): Digest | undefined {
  const match = /^sha512-([A-Za-z0-9+/]+={0,2})$/.exec(text);
  if (match?.[1] === undefined) return undefined;
  return parseHexDigest("sha512", Buffer.from(match[1], "base64").toString("hex"));
}

/** Formats a digest as one word: "sha256:0123…". */
export const formatDigest = ({ algorithm, hex }: Digest): string => `${algorithm}:${hex}`;

/** Parses the form of formatDigest; undefined for another text. */
export function parseDigest(text: string): Digest | undefined {
  const [algorithm, hex = ""] = text.split(":");
  return algorithm === "sha256" || algorithm === "sha512" ? parseHexDigest(algorithm, hex) : undefined;
}

/** SHA-256 of named texts, in hexadecimal. JSON separates names and texts unambiguously. */
export function digestOf(parts: Readonly<Record<string, string>>): string {
  return createHash("sha256")
    .update(JSON.stringify(Object.entries(parts)))
    .digest("hex");
}

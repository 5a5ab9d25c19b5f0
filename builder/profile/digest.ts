/** Digests as locks write them: Debian's SHA256 in hexadecimal, npm's Subresource Integrity (sha512 in base64). */
import { createHash } from "node:crypto";

export interface Digest {
  readonly algorithm: "sha256" | "sha512";
  /** Lower-case hexadecimal. */
  readonly hex: string;
}

const hexLength = { sha256: 64, sha512: 128 } as const;

/** Reads hexadecimal digits of the right number; undefined when they are not. */
export function parseHexDigest(algorithm: Digest["algorithm"], text: string): Digest | undefined {
  const hex = text.toLowerCase();
  return /^[0-9a-f]+$/.test(hex) && hex.length === hexLength[algorithm] ? { algorithm, hex } : undefined;
}

/** Reads "sha512-<base64>" (W3C Subresource Integrity); undefined when it is not one. */
export function parseIntegrity(text: string): Digest | undefined {
  const match = /^sha512-([A-Za-z0-9+/]+={0,2})$/.exec(text);
  if (match?.[1] === undefined) return undefined;
  return parseHexDigest("sha512", Buffer.from(match[1], "base64").toString("hex"));
}

/** "sha256:0123…", one word that names the bytes. */
export const formatDigest = ({ algorithm, hex }: Digest): string => `${algorithm}:${hex}`;

/** Reads what formatDigest wrote; undefined when it is not one. */
export function parseDigest(text: string): Digest | undefined {
  const [algorithm, hex = ""] = text.split(":");
  return algorithm === "sha256" || algorithm === "sha512" ? parseHexDigest(algorithm, hex) : undefined;
}

/** SHA-256, in hexadecimal, of named texts; neither names nor texts can run into each other. */
export function digestOf(parts: Readonly<Record<string, string>>): string {
  return createHash("sha256")
    .update(JSON.stringify(Object.entries(parts)))
    .digest("hex");
}

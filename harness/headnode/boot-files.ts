/**
 * The files in bootfs/<mac>/, which the boot script loads as modules.
 * Source: sdc-booter lib/find.js.
 */
import type { NetworkingFile } from "../cn-files/networking-json.js";

export interface BootModule {
  /** Relative to bootfs/<mac>/. */
  readonly path: string;
  readonly bytes: Buffer;
}

/** The files that booter itself writes. */
export const networkingFileNames = ["networking.json", "networking.json.hash"] as const;

/**
 * Returns the files by path. booter lists its own first, and the others as it finds them in the folder: by name, and those of
 * a folder after those above it.
 */
export function bootFilesOf(
  networking: NetworkingFile | undefined,
  modules: readonly BootModule[],
): ReadonlyMap<string, Buffer> {
  const [json, hash] = networkingFileNames;
  return new Map([
    ...(networking === undefined ? [] : ([[json, networking.bytes], [hash, Buffer.from(networking.sha1)]] as const)), // biome-ignore format: pairs
    ...[...modules].sort((a, b) => compareFound(a.path, b.path)).map(({ path, bytes }) => [path, bytes] as const),
  ]);
}

function compareFound(one: string, other: string): number {
  const [parts, others] = [one.split("/"), other.split("/")];
  if (parts.length !== others.length) return parts.length - others.length;
  const differing = parts.findIndex((part, index) => part !== others[index]);
  return (parts[differing] ?? "") < (others[differing] ?? "") ? -1 : 1;
}

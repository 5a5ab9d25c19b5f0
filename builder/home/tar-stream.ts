/** Packs and unpacks tar streams with the `tar` package: files go to and from machines as one stream (DESIGN D1). */
import { Readable, type Writable } from "node:stream";
import { create, extract } from "tar";

/** Packs files below `folder`. Owners are dropped, modes normalised, times set to `epoch` (seconds since 1970). */
export function createTar(folder: string, paths: readonly string[], epoch: number): Readable {
  const pack = create(
    {
      cwd: folder,
      portable: true,
      noPax: true,
      mtime: new Date(epoch * 1000),
      filter: (_path, stat) => {
        // tar writes the entry from this object. The umask of a checkout must not affect the image.
        if ("mode" in stat && stat.mode) stat.mode = (stat.mode & ~0o777) | ((stat.mode & 0o100) === 0 ? 0o644 : 0o755);
        return true;
      },
    },
    [...paths],
  );
  return Readable.from(pack as AsyncIterable<Buffer>);
}

/** Returns a stream that unpacks its input below `folder`. It fails, not only warns, if a file cannot be written. */
export function extractTar(folder: string): Writable {
  return extract({ cwd: folder, preserveOwner: false, strict: true }) as unknown as Writable;
}

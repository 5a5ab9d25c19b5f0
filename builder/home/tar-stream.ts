/** Packs and unpacks tar streams with the `tar` package: files go to and from machines as one stream (DESIGN D1). */
import { Readable, type Writable } from "node:stream";
import { create, extract, list, type ReadEntry } from "tar";

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

/**
 * Returns a stream that unpacks its input below `folder`. It fails, not only warns, if a file cannot be written.
 * @param keep whether a file, by its path in the archive, is wanted. @default all files
 */
export function extractTar(folder: string, keep: (path: string) => boolean = () => true): Writable {
  const filter = (path: string, entry: { mode?: number | undefined }): boolean => {
    if (entry.mode !== undefined) entry.mode &= 0o777; // no set-user-ID programs
    return keep(path);
  };
  return extract({ cwd: folder, preserveOwner: false, strict: true, filter }) as unknown as Writable;
}

/** Returns a stream that reads one file of its input, the first whose path in the archive is wanted, into memory. */
export function readOne(isWanted: (path: string) => boolean): {
  readonly stream: Writable;
  content(): Promise<Buffer> | undefined;
} {
  let content: Promise<Buffer> | undefined;
  const onReadEntry = (entry: ReadEntry): void => {
    if (content === undefined && entry.type === "File" && isWanted(entry.path)) content = entry.concat();
    else entry.resume();
  };
  return { stream: list({ strict: true, onReadEntry }) as unknown as Writable, content: () => content };
}

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

/** A file, folder or symbolic link of a tar archive. */
export type TarFile = {
  /** Path without a leading "./" and without a slash at the end. */
  readonly path: string;
} & (
  | { readonly kind: "folder"; readonly mode: number }
  | { readonly kind: "file"; readonly mode: number; readonly content: Buffer }
  | { readonly kind: "symlink"; readonly target: string }
);

/** Reads files of a tar archive into memory. */
export interface TarReader {
  /** Takes the archive. It fails for a malformed one. */
  readonly stream: Writable;
  /** The files in their order. Call it after the end of the stream. */
  files(): Promise<readonly TarFile[]>;
}

/**
 * Returns a reader of wanted files. A hard link becomes a file with the same content; devices are left out.
 * @param wants whether to read the entry with this path, written as in TarFile
 */
export function readTar(wants: (path: string) => boolean): TarReader {
  const files: Promise<TarFile>[] = [];
  const contents = new Map<string, Promise<Buffer>>();
  const add = (path: string, mode: number, content: Promise<Buffer>): void => {
    files.push(content.then((bytes) => ({ kind: "file", path, mode, content: bytes })));
  };
  const onReadEntry = (entry: ReadEntry): void => {
    const { type, mode = 0, linkpath = "" } = entry;
    const path = plainPath(entry.path);
    const isWanted = path !== "" && wants(path);
    if (isWanted && type === "File") {
      const content = entry.concat();
      contents.set(path, content);
      add(path, mode, content);
      return;
    }
    entry.resume();
    if (!isWanted) return;
    const linked = contents.get(plainPath(linkpath));
    if (type === "Directory") files.push(Promise.resolve({ kind: "folder", path, mode }));
    else if (type === "SymbolicLink") files.push(Promise.resolve({ kind: "symlink", path, target: linkpath }));
    else if (type === "Link" && linked !== undefined) add(path, mode, linked);
  };
  return { stream: list({ strict: true, onReadEntry }) as unknown as Writable, files: () => Promise.all(files) };
}

const plainPath = (path: string): string => path.replace(/^(\.?\/)+/, "").replace(/\/+$/, "");

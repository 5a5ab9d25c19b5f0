/** Tar streams in and out, by the `tar` package: bulk goes to and from machines as one stream (DESIGN D1). */
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
        // The entry is written from this very object: a checkout's umask must not show in the image.
        if ("mode" in stat && stat.mode) stat.mode = (stat.mode & ~0o777) | ((stat.mode & 0o100) === 0 ? 0o644 : 0o755);
        return true;
      },
    },
    [...paths],
  );
  return Readable.from(pack as AsyncIterable<Buffer>);
}

/** A stream that unpacks what is written to it below `folder`; fails where it cannot (a full disk), not just warns. */
export function extractTar(folder: string): Writable {
  return extract({ cwd: folder, preserveOwner: false, strict: true }) as unknown as Writable;
}

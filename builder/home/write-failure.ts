/** The error for a file that livelab cannot write: the disk is full, or the path cannot be written. */
import { firstError } from "../../base/first-error.js";
import { isDiskFullError } from "../../base/no-room.js";
import { BuilderError } from "../builder-error.js";

/**
 * @param path the file that could not be made or written
 * @returns BuilderError HOST_DISK_FULL or NOT_WRITABLE; `thrown` itself if it is not the error of a system call
 */
export function writeFailure(path: string, thrown: unknown): unknown {
  const cause = firstError(thrown);
  if (!(cause instanceof Error && "syscall" in cause)) return thrown;
  if (isDiskFullError(cause)) {
    return new BuilderError("HOST_DISK_FULL", `no space left to write ${path}: ${cause.message}`, {
      hint: "free some space on the disk that holds it (livelab gc), then run the same command again",
      cause,
    });
  }
  return new BuilderError("NOT_WRITABLE", `cannot write ${path}: ${cause.message}`, {
    hint: "check type, owner and mode of that path and its folder (ls -ld)",
    cause,
  });
}

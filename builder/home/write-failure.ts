/** The error for a file that the host did not let us write: its disk is full, or the path does not take a file. */
import { firstError } from "../../base/first-error.js";
import { isDiskFullError } from "../../base/no-room.js";
import { BuilderError } from "../builder-error.js";

/**
 * @param path the file that could not be made or written
 * @returns BuilderError HOST_DISK_FULL or NOT_WRITABLE; `thrown` itself when it is no error of a system call
 */
export function writeFailure(path: string, thrown: unknown): unknown {
  const cause = firstError(thrown);
  if (!(cause instanceof Error && "syscall" in cause)) return thrown;
  if (isDiskFullError(cause)) {
    return new BuilderError("HOST_DISK_FULL", `no room to write ${path}: ${cause.message}`, {
      hint: "free some space on the disk that holds it (livelab gc), then run the same command again",
      cause,
    });
  }
  return new BuilderError("NOT_WRITABLE", `cannot write ${path}: ${cause.message}`, {
    hint: "see what is at that path (ls -ld), and who may write there",
    cause,
  });
}

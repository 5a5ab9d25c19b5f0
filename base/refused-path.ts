/** Explains why the host refuses a path: the reason, the owner of the path, and the user that livelab runs as. */
import { lstatSync, readlinkSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { refusalReason } from "./system-error.js";
import { describeUser } from "./user-name.js";

/** Whether the host refused access by permissions or a read-only file system. Another user or folder would work. */
export const isRefusal = (error: unknown): error is NodeJS.ErrnoException & { readonly path: string } =>
  ["EACCES", "EPERM", "EROFS"].includes((error as NodeJS.ErrnoException | undefined)?.code ?? "") &&
  typeof (error as NodeJS.ErrnoException).path === "string";

/**
 * Explains why a path cannot be used, e.g. "permission denied; /srv/lab belongs to root (uid 0), and livelab runs as uid 1234".
 * @param error the error of the file system
 */
export function whyRefused(path: string, error: NodeJS.ErrnoException): string {
  const dangling = danglingLink(path);
  if (dangling !== undefined) return dangling;
  const reason = refusalReason(error) ?? error.message;
  if (error.code !== "EACCES" && error.code !== "EPERM") return reason;
  const nearest = nearestOwner(path);
  return nearest === undefined ? reason : `${reason}; ${whoseIs(nearest.path, nearest.uid)}`;
}

/** "/srv/lab belongs to root (uid 0), and livelab runs as uid 1234" */
export const whoseIs = (path: string, owner: number): string =>
  `${path} belongs to ${describeUser(owner)}, and livelab runs as ${describeUser(process.geteuid?.() ?? -1)}`;

function danglingLink(path: string): string | undefined {
  try {
    if (!lstatSync(path).isSymbolicLink() || statSync(path, { throwIfNoEntry: false }) !== undefined) return undefined;
    return `${path} is a link to ${readlinkSync(path)}, which does not exist`;
  } catch {
    return undefined;
  }
}

/** Returns the uid that owns a path (links are followed); undefined if it does not exist or cannot be accessed. */
export function ownerOf(path: string): number | undefined {
  try {
    return statSync(path).uid;
  } catch {
    return undefined;
  }
}

/** Returns the path, or the nearest folder above it that can be accessed, with its owner. */
function nearestOwner(path: string): { path: string; uid: number } | undefined {
  for (let at = path; ; at = dirname(at)) {
    const uid = ownerOf(at);
    if (uid !== undefined) return { path: at, uid };
    if (at === dirname(at)) return undefined;
  }
}

/** Words for a path that the host does not let us use: the reason, who owns what is there, and as whom livelab runs. */
import { lstatSync, readlinkSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { refusalReason } from "./system-error.js";
import { describeUser } from "./user-name.js";

/** Whether the host refused access: rights, or a file system that is read-only. Another user or folder would do. */
export const isRefusal = (error: unknown): error is NodeJS.ErrnoException & { readonly path: string } =>
  ["EACCES", "EPERM", "EROFS"].includes((error as NodeJS.ErrnoException | undefined)?.code ?? "") &&
  typeof (error as NodeJS.ErrnoException).path === "string";

/**
 * Why a path cannot be used, e.g. "permission denied; /srv/lab belongs to root (uid 0), and livelab runs as uid 1234".
 * @param error what the file system said about it
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

/** The uid of what a path leads to; undefined when nothing is there or it cannot be looked at. */
export function ownerOf(path: string): number | undefined {
  try {
    return statSync(path).uid;
  } catch {
    return undefined;
  }
}

/** The path itself, or the folder above it that exists and can be looked at. */
function nearestOwner(path: string): { path: string; uid: number } | undefined {
  for (let at = path; ; at = dirname(at)) {
    const uid = ownerOf(at);
    if (uid !== undefined) return { path: at, uid };
    if (at === dirname(at)) return undefined;
  }
}

/**
 * A problem in a file for the CN. It never stops the boot: users test how a CN boots with a broken file, and a real
 * booter would serve it too.
 */
export interface FileWarning {
  /** The file as the caller named it. */
  readonly file: string;
  /** Place in the file: "10:16", "vnics[0].netmask", or "" for the whole file. */
  readonly place: string;
  readonly problem: string;
  readonly remedy: string;
}

/** Formats a warning as one line: `networking.json:10:16: is not JSON (found "admin,"). Remedy: …` */
export function formatFileWarning({ file, place, problem, remedy }: FileWarning): string {
  return `${place === "" ? file : `${file}:${place}`}: ${problem}. Remedy: ${remedy}`;
}

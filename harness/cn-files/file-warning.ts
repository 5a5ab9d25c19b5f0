/**
 * What is wrong with a file that the CN is about to be given. Never stops the boot: to boot with a broken file,
 * as a real booter would serve it, is what people come here for.
 */
export interface FileWarning {
  /** The file as it was named. */
  readonly file: string;
  /** Where in it: "10:16", "vnics[0].netmask", or "" for the file as a whole. */
  readonly place: string;
  readonly problem: string;
  readonly remedy: string;
}

/** One line: `networking.json:10:16: is not JSON (found "admin,"). Remedy: …` */
export function formatFileWarning({ file, place, problem, remedy }: FileWarning): string {
  return `${place === "" ? file : `${file}:${place}`}: ${problem}. Remedy: ${remedy}`;
}

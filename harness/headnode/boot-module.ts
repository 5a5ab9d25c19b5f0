/**
 * A boot module: a small file that CNAPI keeps for one server (boot_modules), and booter serves to that server.
 * Sources: sdc-booter lib/boot-module-files.js; iPXE core/exec.c (split_command), core/uri.c (parse_uri).
 */
import { UsageError } from "../../base/livelab-error.js";
import { networkingFileNames } from "./boot-files.js";

/** A boot module whose content is in a file of this machine. */
export interface BootModuleSource {
  /** The module's path in CNAPI: "custom.conf", "etc/modprobe.d/x.conf". */
  readonly path: string;
  readonly file: string;
}

const example = "write PATH=FILE, like etc/modprobe.d/kvm.conf=./kvm.conf";

/** Parses "PATH=FILE". @throws UsageError BAD_BOOT_MODULE */
export function parseBootModule(text: string): BootModuleSource {
  const refuse = (why: string, hint = example): never => {
    throw new UsageError("BAD_BOOT_MODULE", `${JSON.stringify(text)} is not a boot module: ${why}`, { hint });
  };
  const [, path = "", file = ""] = /^([^=]*)=(.*)$/s.exec(text) ?? refuse("it has no =");
  if (file === "") refuse("it names no file");
  // iPXE splits its script at white space, and reads quotes, $, #, % and ? as its own.
  if (!/^[A-Za-z0-9._+@,:/-]+$/.test(path)) {
    refuse(`its path ${JSON.stringify(path)} has characters other than letters, digits and ._+@,:/-`);
  }
  if (path.split("/").some((part) => ["", ".", ".."].includes(part))) {
    refuse(`its path ${JSON.stringify(path)} does not stay in the server's folder`);
  }
  if (networkingFileNames.some((name) => name === path)) {
    refuse(`booter writes ${path} itself`, "name the file for --networking");
  }
  return { path, file };
}

/** Checks that modules can lie in one folder. @throws UsageError BAD_BOOT_MODULE */
export function checkBootModules(paths: readonly string[]): void {
  for (const [index, path] of paths.entries()) {
    const other = paths
      .slice(0, index)
      .find((each) => `${each}/`.startsWith(`${path}/`) || path.startsWith(`${each}/`));
    if (other === undefined) continue;
    const why = other === path ? "is given twice" : `and ${other} cannot be in one folder: one is the other's folder`;
    throw new UsageError("BAD_BOOT_MODULE", `the boot module ${path} ${why}`, {
      hint: "give each module its own path",
    });
  }
}

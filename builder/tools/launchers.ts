/**
 * Launchers of unpacked programs: small shell files, one for each program, that start it through the dynamic loader of its
 * own packages and with their libraries. So a program runs on a host with another C library, or with none.
 * A folder of tools may be moved, because launchers find everything from their own place.
 * Sources: ld.so(8) "--library-path", "--argv0"; git(1) "GIT_EXEC_PATH"; QEMU's util/cutils.c, get_relocated_path().
 */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isThere } from "../../base/is-there.js";
import { InputError } from "../builder-error.js";

/** Changes with the launchers' text, so that tools with older ones are made again. */
export const LAUNCHERS_VERSION = "3";

const LOADER = "usr/lib64/ld-linux-x86-64.so.2";
const LIBRARIES = "usr/lib/x86_64-linux-gnu";

interface Extra {
  /** Lines of shell before the program starts; `$root` is the tools' folder. */
  readonly before?: string;
  /** A symbolic link to make. `path` is below the tools' folder, `target` relative to the link. */
  readonly link?: { readonly path: string; readonly target: string };
}

const gitFolders = 'export GIT_EXEC_PATH="$root/git-core" GIT_TEMPLATE_DIR="$root/usr/share/git-core/templates"\n';

/** Programs that look for files in places which their build fixed. */
const extras: Readonly<Record<string, Extra>> = {
  // QEMU looks for its modules and data below qemu-bundle beside its executable, which is the loader here. Without it, QEMU
  // would load modules of the host's QEMU that its own packages lack, and abort; so it would by a user's QEMU_MODULE_DIR.
  "qemu-system-x86_64": {
    before: "unset QEMU_MODULE_DIR\n",
    link: { path: `${LIBRARIES}/qemu-bundle`, target: "../../.." },
  },
  git: { before: gitFolders },
};

/** The parts of git that git itself starts, by these names, from GIT_EXEC_PATH. */
const GIT_PARTS = ["git", "git-upload-pack", "git-receive-pack"];

/**
 * Writes a launcher for each program into `launchers` of a folder of unpacked packages.
 * @param names the programs
 * @param others names of folders next to this one that have the loader and more libraries. @default this folder has them
 * @throws InputError MALFORMED if no package has a program
 */
export async function writeLaunchers(
  folder: string,
  names: readonly string[],
  others: readonly string[],
): Promise<void> {
  await mkdir(join(folder, "launchers"));
  for (const name of names) {
    const program = await findIn(folder, name);
    await write(join(folder, "launchers", name), program, others, extras[name]);
    const link = extras[name]?.link;
    if (link !== undefined) {
      await mkdir(dirname(join(folder, link.path)), { recursive: true });
      await symlink(link.target, join(folder, link.path));
    }
    if (name !== "git") continue;
    await mkdir(join(folder, "git-core"));
    for (const part of GIT_PARTS) await write(join(folder, "git-core", part), program, others, extras[name]);
  }
}

/** Programs whose name is a link that a script of their package makes (update-alternatives(1)). */
const alternatives: Readonly<Record<string, string>> = { awk: "mawk" };

async function findIn(folder: string, wanted: string): Promise<string> {
  const name = alternatives[wanted] ?? wanted;
  for (const program of ["usr/bin", "usr/sbin", "bin"].map((part) => `${part}/${name}`))
    if (await isThere(join(folder, program))) return program;
  throw new InputError("MALFORMED", `no package of the tools' lock has the program ${name}`, {
    hint: "livelab lock update -p tools",
  });
}

async function write(path: string, program: string, others: readonly string[], extra: Extra = {}): Promise<void> {
  const withLoader = others[0] === undefined ? "$root" : `$root/../${others[0]}`;
  const libraries = ["$root", ...others.map((other) => `$root/../${other}`)].map((root) => `${root}/${LIBRARIES}`);
  const words = [`"${withLoader}/${LOADER}"`, '--argv0 "$0"', `--library-path "${libraries.join(":")}"`];
  const text = `#!/bin/sh
# Starts ${program} with the libraries of its packages.
root=\${0%/*}/..
${extra.before ?? ""}exec ${[...words, `"$root/${program}"`, '"$@"'].join(" ")}
`;
  await writeFile(path, text, { mode: 0o755, flag: "wx" });
}

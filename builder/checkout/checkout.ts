/**
 * Checks that a clone or an archive delivered the build's files as committed. A sparse checkout leaves files out, and the
 * image would silently lack them. Three properties can get lost silently: line ends (core.autocrlf, archives made on
 * Windows), links (core.symlinks=false, which git sets on file systems without links) and executable bits
 * (core.fileMode=false; VFAT, SMB and shared folders of virtual machines). The shell then misreads scripts, and the image
 * contains text files in place of links. Deliberate changes are accepted: they are built, and gitstatus says `dirty`.
 * Sources: git-config(1); git-sparse-checkout(1); git-ls-files(1), "-t".
 */
import { constants } from "node:fs";
import { lstat, readdir, readFile, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isThere } from "../../base/is-there.js";
import { InputError } from "../builder-error.js";
import { blobId, type CommittedFiles, readCommittedFiles } from "./committed-files.js";
import { readGit } from "./read-git.js";

/** All files below it go into the image. */
const IMAGE_FOLDER = "proto";

/** Folders whose shell files livelab runs here and in guests, and whose locks it reads. TypeScript accepts any line ends. */
const PROGRAM_FOLDERS = ["builder", "harness", "vm"];
const READ_AS_IS = /\.(sh|Packages)$/;

/** Highest number of files that a message names. */
const NAMED_FILES = 5;

/** A plain file that is used unchanged. */
interface PlainFile {
  /** Path below the project's root. */
  readonly path: string;
  readonly content: Buffer;
  readonly isProgram: boolean;
}

/** @param projectRoot folder that holds package.json @throws InputError BAD_CHECKOUT */
export async function checkCheckout(projectRoot: string): Promise<void> {
  const root = await realpath(projectRoot);
  // Without git, e.g. in a tarball, the checks use only the files.
  const committed = await readCommittedFiles(root).catch(() => undefined);
  await assertComplete(root);
  const files = await readPlainFiles(root);
  assertLineEnds(files, committed);
  await assertLinks(root, files, committed);
  await assertModes(root, files, committed);
}

/**
 * A file of proto/ may be removed deliberately, like any other change. A shell file that livelab runs may be removed only
 * from git's index as well: without it the build ends in an internal error.
 */
async function assertComplete(root: string): Promise<void> {
  const words = ["ls-files", "-t", "-z", "--", IMAGE_FOLDER, ...PROGRAM_FOLDERS];
  const tracked = (await readGit(root, words).catch(() => "")).split("\0").filter(Boolean);
  const leftOut: string[] = [];
  const missing: string[] = [];
  for (const entry of tracked) {
    const path = entry.slice(2);
    const isLeftOut = entry.startsWith("S "); // skip-worktree; users also set it on files that they keep
    if (!isLeftOut && (path.startsWith(`${IMAGE_FOLDER}/`) || !path.endsWith(".sh"))) continue;
    // lstat, not access: the targets of the image's links do not exist here.
    if ((await lstat(join(root, path)).catch(() => undefined)) !== undefined) continue;
    (isLeftOut ? leftOut : missing).push(path);
  }
  if (leftOut.length > 0) {
    throw badCheckout(`a sparse checkout leaves out ${named(leftOut)}`, ["git sparse-checkout disable"]);
  }
  if (missing.length > 0) {
    throw badCheckout(`files are missing: ${named(missing)}`, [
      `if they were removed on purpose: git rm --cached PATH; otherwise: git restore ${missing.join(" ")}`,
    ]);
  }
}

async function readPlainFiles(root: string): Promise<PlainFile[]> {
  const files: PlainFile[] = [];
  for (const folder of [IMAGE_FOLDER, ...PROGRAM_FOLDERS]) {
    const names = await readdir(join(root, folder), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      throw badCheckout(`${folder}/ is missing`, ["clone livelab again, or git checkout HEAD -- ."]);
    });
    for (const name of names.sort()) {
      const path = join(folder, name);
      if (folder !== IMAGE_FOLDER && !READ_AS_IS.test(name)) continue;
      const found = await lstat(join(root, path));
      if (!found.isFile()) continue;
      const isProgram = (found.mode & constants.S_IXUSR) !== 0;
      files.push({ path, content: await readFile(join(root, path)), isProgram });
    }
  }
  return files;
}

function assertLineEnds(files: readonly PlainFile[], committed: CommittedFiles | undefined): void {
  const altered = files.filter(
    ({ path, content }) =>
      content.includes("\r\n") && !content.includes(0) && !isCommittedContent(committed, path, content),
  );
  if (altered.length === 0) return;
  throw badCheckout(`lines end in CRLF, as on Windows, in ${named(pathsOf(altered))}`, [
    "clone again with `git clone -c core.autocrlf=false`, or unpack the archive without conversion;",
    "if an editor changed a file: sed -i 's/\\r$//' FILE",
  ]);
}

async function assertLinks(
  root: string,
  files: readonly PlainFile[],
  committed: CommittedFiles | undefined,
): Promise<void> {
  const inImage = files.filter(({ path }) => path.startsWith(`${IMAGE_FOLDER}/`));
  const links: PlainFile[] = [];
  for (const file of inImage) {
    const { path, content } = file;
    const isLink =
      committed === undefined
        ? await looksLikeLink(root, path, content)
        : committed.get(path)?.kind === "link" && isCommittedContent(committed, path, content);
    if (isLink) links.push(file);
  }
  if (links.length === 0) return;
  throw badCheckout(`links are plain files that contain their targets: ${named(pathsOf(links))}`, [
    "git does this with core.symlinks=false; on a file system with links:",
    `git config core.symlinks true && git checkout HEAD -- ${IMAGE_FOLDER}`,
  ]);
}

/** Text files end in a newline. A link's target does not, and is an absolute path or an existing one relative to the file. */
async function looksLikeLink(root: string, path: string, content: Buffer): Promise<boolean> {
  const text = content.toString("utf8");
  if (text === "" || /[\s\0]/.test(text) || content.length >= 4096) return false;
  return /^\.{0,2}\//.test(text) || (await isThere(join(root, dirname(path), text)));
}

async function assertModes(
  root: string,
  files: readonly PlainFile[],
  committed: CommittedFiles | undefined,
): Promise<void> {
  const inImage = files.filter(({ path }) => path.startsWith(`${IMAGE_FOLDER}/`));
  const scripts = inImage.filter(({ content }) => content.subarray(0, 2).toString() === "#!");
  if (committed !== undefined && (await ignoresModes(root))) {
    const altered = inImage.filter(({ path, isProgram }) => {
      const kind = committed.get(path)?.kind;
      return (kind === "file" || kind === "program") && isProgram !== (kind === "program");
    });
    if (altered.length > 0) throw lostModes(altered);
  }
  if (scripts.length > 0 && scripts.every(({ isProgram }) => !isProgram)) throw lostModes(scripts);
  const others = inImage.filter((file) => !scripts.includes(file));
  if (others.length > 1 && others.every(({ isProgram }) => isProgram)) throw lostModes(others);
}

/** Whether git ignores modes in this checkout (core.fileMode=false), so that it neither sets nor compares them. */
const ignoresModes = async (root: string): Promise<boolean> =>
  (await readGit(root, ["config", "--type=bool", "--default=true", "core.fileMode"])).trim() === "false";

const lostModes = (files: readonly PlainFile[]): InputError =>
  badCheckout(`executable bits are not as committed: ${named(pathsOf(files))}`, [
    "this file system or core.fileMode=false loses them; on a file system that keeps them:",
    `git config core.fileMode true && git checkout HEAD -- ${IMAGE_FOLDER}`,
  ]);

/** Whether content equals the committed content of its path; the content of a link is its target. */
function isCommittedContent(committed: CommittedFiles | undefined, path: string, content: Buffer): boolean {
  const id = committed?.get(path)?.id;
  return id !== undefined && blobId(content, id) === id;
}

const badCheckout = (what: string, remedy: readonly string[]): InputError =>
  new InputError("BAD_CHECKOUT", `this checkout of livelab differs from its commit: ${what}`, {
    hint: remedy.join(" "),
  });

const pathsOf = (files: readonly PlainFile[]): string[] => files.map(({ path }) => path);

function named(paths: readonly string[]): string {
  const names = paths.slice(0, NAMED_FILES);
  const more = paths.length - names.length;
  return more > 0 ? `${names.join(", ")} and ${more} more` : names.join(", ");
}

/**
 * Manifests as the stages write them (builder/stages/mtree.sh): a part of mtree(5), a line for each path, sorted by bytes.
 */
export interface ManifestEntry {
  /** Below the tree, without "./"; "" is the tree itself. */
  readonly path: string;
  readonly type: string;
  /** Keywords with their values, the type included. */
  readonly keywords: ReadonlyMap<string, string>;
}

/** A manifest that is none. */
export class ManifestMalformed extends Error {}

/** Three octal digits for each byte that is not printed as it is. */
const decode = (word: string): string =>
  /\\/.test(word)
    ? Buffer.from(
        word.replace(/\\([0-3][0-7]{2})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
        "latin1",
      ).toString("utf8")
    : word;

const needed: Readonly<Record<string, readonly string[]>> = {
  file: ["mode", "uid", "gid", "size", "sha256digest"],
  dir: ["mode", "uid", "gid"],
  link: ["mode", "uid", "gid", "link"],
};

/** @throws ManifestMalformed with the line's number */
export function parseManifest(text: string): Map<string, ManifestEntry> {
  const lines = text.split("\n");
  if (lines.pop() !== "") throw new ManifestMalformed("its last line is cut off");
  if (lines.shift() !== "#mtree") throw new ManifestMalformed("its first line is not #mtree");
  const entries = new Map<string, ManifestEntry>();
  let before = "";
  for (const [index, line] of lines.entries()) {
    const malformed = (why: string): ManifestMalformed => new ManifestMalformed(`line ${index + 2} ${why}: ${line}`);
    // All is printable ASCII, in which code units and bytes sort alike.
    if (line <= before) throw malformed("is not sorted");
    before = line;
    const [name = "", ...words] = line.split(" ");
    const keywords = new Map(words.map((word) => word.split(/=(.*)/s, 2) as [string, string]));
    const type = keywords.get("type") ?? "";
    const lacks = (needed[type] ?? ["mode", "uid", "gid"]).find((keyword) => keywords.get(keyword) === undefined);
    if (!/^\.(\/[!-~]+)?$/.test(name) || type === "") throw malformed("is not a path with its type");
    if (lacks !== undefined) throw malformed(`has no ${lacks}`);
    const path = name === "." ? "" : decode(name.slice(2));
    entries.set(path, { path, type, keywords });
  }
  if (!entries.has("")) throw new ManifestMalformed("it does not tell of the tree itself");
  return entries;
}

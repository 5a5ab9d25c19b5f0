/**
 * Manifests in the form of builder/stages/mtree.sh: a subset of mtree(5) with one line per path, sorted by bytes.
 */
export interface ManifestEntry {
  /** Path below the tree, without "./"; "" is the tree itself. */
  readonly path: string;
  readonly type: string;
  /** Keywords with their values, including the type. */
  readonly keywords: ReadonlyMap<string, string>;
}

/** The text is not a manifest. */
export class ManifestMalformed extends Error {}

/** Decodes the escapes of a path: a backslash and three octal digits for a byte. */
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

/** Parses a manifest to entries by path. @throws ManifestMalformed with the number of the line */
export function parseManifest(text: string): Map<string, ManifestEntry> {
  const lines = text.split("\n");
  if (lines.pop() !== "") throw new ManifestMalformed("its last line is incomplete");
  if (lines.shift() !== "#mtree") throw new ManifestMalformed("its first line is not #mtree");
  const entries = new Map<string, ManifestEntry>();
  let before = "";
  for (const [index, line] of lines.entries()) {
    const malformed = (why: string): ManifestMalformed => new ManifestMalformed(`line ${index + 2} ${why}: ${line}`);
    // All text is printable ASCII, in which code units and bytes have the same order.
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
  if (!entries.has("")) throw new ManifestMalformed("it has no entry for the tree itself");
  return entries;
}

/**
 * `livelab verify`: checks a release's folder or a platform archive against all rules.
 * Files are read as streams; no more than the lists and build.tgz is ever in memory.
 */
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { formatBytes } from "../../base/format.js";
import { UsageError } from "../../base/livelab-error.js";
import type { Step } from "../../base/progress/progress.js";
import { SUMS } from "../release/outputs.js";
import { verifyArchive } from "./archive-rules.js";
import { type FileFacts, readFacts } from "./file-facts.js";
import { type ImageSummary, imageViolations, isReadWhole } from "./image-rules.js";
import type { Violation } from "./violation.js";

export interface VerifyReport {
  readonly violations: readonly Violation[];
  /** What was checked and found good, and what else is to know: a line each. */
  readonly facts: readonly string[];
}

export interface VerifyContext {
  readonly step: Step;
  /** Ends it, with an AbortError. */
  readonly signal?: AbortSignal;
}

const hint = "livelab verify out/latest, or livelab verify FILE.tgz";

/** @throws UsageError when there is nothing to verify at `path` */
export async function verify(path: string, context: VerifyContext): Promise<VerifyReport> {
  const found = await stat(path).catch((cause: Error) => {
    throw new UsageError("NOTHING_THERE", `cannot look at ${path}: ${cause.message}`, { hint, cause });
  });
  if (found.isDirectory()) return verifyFolder(path, context);
  if (!found.isFile()) throw new UsageError("NO_ARCHIVE", `${path} is neither a file nor a folder`, { hint });
  return verifyFile(path, context);
}

const stream = (path: string, signal: AbortSignal | undefined): AsyncIterable<Buffer> =>
  createReadStream(path, { highWaterMark: 2 ** 20, ...(signal && { signal }) });

const isArchive = (name: string): boolean => /^platform.*\.tgz$/.test(name);

/** A line about an image that keeps the rules. */
const describeImage = ({ kernel, packages, paths }: ImageSummary): string =>
  `kernel ${kernel}, ${packages} packages, ${paths} paths`;

const describeInstall = (refusal: string | undefined): string =>
  refusal === undefined
    ? "`sdcadm platform install` takes it"
    : `\`sdcadm platform install\` would refuse it: ${refusal}`;

async function verifyFile(path: string, { step, signal }: VerifyContext): Promise<VerifyReport> {
  const name = basename(path);
  const facts: string[] = [];
  const violations: Violation[] = [];
  const sums = await readFile(join(dirname(path), SUMS), "utf8").catch(() => undefined);
  const expected = sums === undefined ? undefined : parseSums(sums).sums.get(name);
  if (expected === undefined) {
    facts.push(`no ${SUMS} beside it tells of it: an edit that changes nothing of its content would not be seen`);
  } else {
    step.status(`digest of ${name}`);
    violations.push(...sumViolations(name, expected, (await readFacts(stream(path, signal), false)).sha256));
  }
  step.status(name);
  const archive = await verifyArchive(path, signal);
  violations.push(...archive.violations);
  facts.unshift(
    `${name}: ${archive.files.size} image files, ${describeImage(archive.summary)}`,
    describeInstall(archive.refusal),
  );
  return { violations, facts };
}

async function verifyFolder(folder: string, { step, signal }: VerifyContext): Promise<VerifyReport> {
  const names = (await readdir(folder)).sort();
  if (!names.includes(SUMS) && !names.includes("vmlinuz")) {
    throw new UsageError("NO_RELEASE", `${folder} is no folder of a release: it has neither ${SUMS} nor vmlinuz`, {
      hint,
    });
  }
  const violations: Violation[] = [];
  const facts: string[] = [];
  const files = new Map<string, FileFacts>();
  for (const name of names) {
    if (name === SUMS || name === "build.json") continue;
    const stray = await kindOfOther(join(folder, name));
    if (stray !== undefined) {
      violations.push({ file: name, rule: "a release's folder holds files and nothing else", found: `it is ${stray}` });
      continue;
    }
    step.status(`digest of ${name}`);
    files.set(name, await readFacts(stream(join(folder, name), signal), isReadWhole(name)));
  }
  violations.push(...(await folderSums(folder, files)));
  const image = await imageViolations(files, (name) => name);
  violations.push(...image.violations);
  facts.push(`image: ${describeImage(image.summary)}`);
  for (const name of [...files.keys()].filter(isArchive)) {
    step.status(name);
    const archive = await verifyArchive(join(folder, name), signal);
    violations.push(...archive.violations);
    for (const [file, { sha256 }] of archive.files) {
      if (files.get(file)?.sha256 === sha256) continue;
      violations.push({
        file: `${name}: x86_64/${file}`,
        rule: "an archive holds the files that lie beside it",
        found: `it is not the ${file} in ${folder}`,
      });
    }
    facts.push(`${name}: ${describeInstall(archive.refusal)}`);
  }
  const total = [...files.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  facts.unshift(`${files.size} files, ${formatBytes(total)}, as ${SUMS} says`);
  return { violations, facts };
}

/** What something is that is neither a file nor a link to one. */
async function kindOfOther(path: string): Promise<string | undefined> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ELOOP") return undefined;
    throw error;
  });
  if (found === undefined) return "a link that leads to nothing";
  if (found.isFile()) return undefined;
  return found.isDirectory() ? "a folder" : "neither file nor folder";
}

/** Lines of sha256sum(1). */
function parseSums(text: string): { readonly sums: ReadonlyMap<string, string>; readonly bad: string | undefined } {
  const lines = text.split("\n");
  const last = lines.pop();
  const matches = lines.map((line) => /^([0-9a-f]{64}) [ *](.+)$/.exec(line));
  const bad = last === "" ? lines.find((_, index) => matches[index] === null) : last;
  return {
    sums: new Map(matches.flatMap((match) => (match === null ? [] : [[match[2] ?? "", match[1] ?? ""] as const]))),
    bad,
  };
}

const sumViolations = (name: string, expected: string, sha256: string): Violation[] =>
  expected === sha256
    ? []
    : [
        {
          file: name,
          rule: `it has the digest that ${SUMS} says`,
          found: `it has ${sha256}, and should have ${expected}`,
        },
      ];

async function folderSums(folder: string, files: ReadonlyMap<string, FileFacts>): Promise<Violation[]> {
  const text = await readFile(join(folder, SUMS), "utf8").catch(() => undefined);
  if (text === undefined) return [{ file: SUMS, rule: "it tells the digest of every output", found: "it is missing" }];
  const { sums, bad } = parseSums(text);
  const violations: Violation[] = [];
  if (bad !== undefined)
    violations.push({
      file: SUMS,
      rule: "its lines are those of sha256sum(1)",
      found: `one is ${JSON.stringify(bad)}`,
    });
  for (const [name, { sha256 }] of files) {
    const expected = sums.get(name);
    if (expected === undefined)
      violations.push({ file: name, rule: `${SUMS} tells the digest of every output`, found: "it is not in there" });
    else violations.push(...sumViolations(name, expected, sha256));
  }
  for (const name of sums.keys()) {
    if (!files.has(name))
      violations.push({ file: name, rule: `every file of ${SUMS} is there`, found: "it is missing" });
  }
  return violations;
}

/** What is printed: what was found good, or every violation with its rule. */
export function describeVerification(path: string, { violations, facts }: VerifyReport): string {
  if (violations.length === 0) return [`${path} keeps all rules`, ...facts.map((fact) => `  ${fact}`)].join("\n");
  return [
    ...violations.map(({ file, rule, found }) => `${file}\n  rule: ${rule}\n  found: ${found}`),
    `${path} breaks ${violations.length === 1 ? "1 rule" : `rules in ${violations.length} places`}`,
  ].join("\n");
}

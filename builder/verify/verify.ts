/**
 * `livelab verify`: checks a release's folder or a platform archive against all rules.
 * Files are read as streams; only the lists and build.tgz are kept in memory.
 */
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { formatBytes } from "../../base/format.js";
import { UsageError } from "../../base/livelab-error.js";
import type { Step } from "../../base/progress/progress.js";
import { isForBoot, readOutputReport, SUMS } from "../release/outputs.js";
import { verifyArchive } from "./archive-rules.js";
import { type FileFacts, readFacts } from "./file-facts.js";
import { bootFiles, type ImageSummary, imageFiles, imageViolations, isReadWhole } from "./image-rules.js";
import type { Violation } from "./violation.js";

export interface VerifyReport {
  readonly violations: readonly Violation[];
  /** Facts about the checked files, one line each. */
  readonly facts: readonly string[];
}

export interface VerifyContext {
  readonly step: Step;
  /** Ends the verification with an AbortError. */
  readonly signal?: AbortSignal;
}

const hint = "livelab verify out/latest, or livelab verify FILE.tgz";

/** Verifies a release's folder or an archive. @throws UsageError if `path` is neither */
export async function verify(path: string, context: VerifyContext): Promise<VerifyReport> {
  const found = await stat(path).catch((cause: Error) => {
    throw new UsageError("NOTHING_THERE", `cannot read ${path}: ${cause.message}`, { hint, cause });
  });
  if (found.isDirectory()) return verifyFolder(path, context);
  if (!found.isFile()) throw new UsageError("NO_ARCHIVE", `${path} is neither a file nor a folder`, { hint });
  return verifyFile(path, context);
}

const stream = (path: string, signal: AbortSignal | undefined): AsyncIterable<Buffer> =>
  createReadStream(path, { highWaterMark: 2 ** 20, ...(signal && { signal }) });

const isArchive = (name: string): boolean => /^platform.*\.tgz$/.test(name);

/** A line about an image. */
const describeImage = ({ kernel, packages, paths }: ImageSummary): string =>
  `kernel ${kernel}, ${packages} packages, ${paths} paths`;

const describeInstall = (refusal: string | undefined): string =>
  refusal === undefined ? "`sdcadm platform install` accepts it" : `\`sdcadm platform install\` refuses it: ${refusal}`;

async function verifyFile(path: string, { step, signal }: VerifyContext): Promise<VerifyReport> {
  const name = basename(path);
  const facts: string[] = [];
  const violations: Violation[] = [];
  const sums = await readFile(join(dirname(path), SUMS), "utf8").catch(() => undefined);
  const expected = sums === undefined ? undefined : parseSums(sums).sums.get(name);
  if (expected === undefined) {
    facts.push(`no ${SUMS} in its folder lists it: a change outside its content would not be detected`);
  } else {
    step.status(`computing the digest of ${name}`);
    violations.push(...sumViolations(name, expected, (await readFacts(stream(path, signal), false)).sha256));
  }
  step.status(`verifying ${name}`);
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
    throw new UsageError("NO_RELEASE", `${folder} is not a release's folder: it has neither ${SUMS} nor vmlinuz`, {
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
      violations.push({ file: name, rule: "a release's folder contains only files", found: `it is ${stray}` });
      continue;
    }
    step.status(`computing the digest of ${name}`);
    files.set(name, await readFacts(stream(join(folder, name), signal), isReadWhole(name)));
  }
  violations.push(...(await folderSums(folder, files)));
  const report = await readOutputReport(folder);
  const hasNoArchives = report !== undefined && isForBoot(report);
  const image = await imageViolations(files, (name) => name, hasNoArchives ? bootFiles : imageFiles);
  violations.push(...image.violations);
  facts.push(`image: ${describeImage(image.summary)}`);
  if (hasNoArchives) facts.push("built for boot: it has no archives and media to check");
  for (const name of [...files.keys()].filter(isArchive)) {
    step.status(`verifying ${name}`);
    const archive = await verifyArchive(join(folder, name), signal);
    violations.push(...archive.violations);
    for (const [file, { sha256 }] of archive.files) {
      if (files.get(file)?.sha256 === sha256) continue;
      violations.push({
        file: `${name}: x86_64/${file}`,
        rule: "an archive contains the files of its folder",
        found: `it differs from ${file} in ${folder}`,
      });
    }
    facts.push(`${name}: ${describeInstall(archive.refusal)}`);
  }
  const total = [...files.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  facts.unshift(`${files.size} files, ${formatBytes(total)}, with the digests in ${SUMS}`);
  return { violations, facts };
}

/** The kind of a path that is neither a file nor a link to a file; undefined for a file. */
async function kindOfOther(path: string): Promise<string | undefined> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ELOOP") return undefined;
    throw error;
  });
  if (found === undefined) return "a link to a file that does not exist";
  if (found.isFile()) return undefined;
  return found.isDirectory() ? "a folder" : "neither file nor folder";
}

/** Parses the output of sha256sum(1). */
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
          rule: `it has the digest in ${SUMS}`,
          found: `it has ${sha256}, but should have ${expected}`,
        },
      ];

async function folderSums(folder: string, files: ReadonlyMap<string, FileFacts>): Promise<Violation[]> {
  const text = await readFile(join(folder, SUMS), "utf8").catch(() => undefined);
  if (text === undefined) return [{ file: SUMS, rule: "it lists the digest of every output", found: "it is missing" }];
  const { sums, bad } = parseSums(text);
  const violations: Violation[] = [];
  if (bad !== undefined)
    violations.push({
      file: SUMS,
      rule: "its lines have the form of sha256sum(1)",
      found: `one line is ${JSON.stringify(bad)}`,
    });
  for (const [name, { sha256 }] of files) {
    const expected = sums.get(name);
    if (expected === undefined)
      violations.push({ file: name, rule: `${SUMS} lists the digest of every output`, found: "it is not listed" });
    else violations.push(...sumViolations(name, expected, sha256));
  }
  for (const name of sums.keys()) {
    if (!files.has(name)) violations.push({ file: name, rule: `every file in ${SUMS} exists`, found: "it is missing" });
  }
  return violations;
}

/** The text that `livelab verify` prints: the facts, or every violation with its rule. */
export function describeVerification(path: string, { violations, facts }: VerifyReport): string {
  if (violations.length === 0) return [`${path} passes all rules`, ...facts.map((fact) => `  ${fact}`)].join("\n");
  return [
    ...violations.map(({ file, rule, found }) => `${file}\n  rule: ${rule}\n  found: ${found}`),
    `${path} breaks ${violations.length === 1 ? "1 rule" : `rules in ${violations.length} places`}`,
  ].join("\n");
}

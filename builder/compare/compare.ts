/**
 * `livelab compare`: the first stage and the first file in which two releases differ, and how.
 * Not here: what a release should be (verify/).
 */
import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { findProgram } from "../../vm/find-program.js";
import { UsageError } from "../../vm/livelab-error.js";
import type { Step } from "../../vm/progress.js";
import type { LivelabHome } from "../home.js";
import { type OutputReport, readOutputReport } from "../outputs.js";
import { parseManifest } from "../verify/manifest.js";
import { compareFiles } from "./compare-files.js";
import { compareManifests } from "./compare-manifests.js";
import { compareTrees, type TreeDifference } from "./compare-trees.js";

export interface CompareRequest {
  /** Folders of outputs, or stamps of releases whose outputs are in `outRoot`. */
  readonly sides: readonly [string, string];
  readonly outRoot: string;
  /** Holds the layers of releases that were built here. */
  readonly home: LivelabHome;
  readonly step: Step;
}

/** A stage whose key, the digest of all that shapes what it leaves, is another. */
export interface StageDifference {
  readonly name: string;
  /** The first path of what it left that differs; undefined where none does or the layers are not here. */
  readonly first: TreeDifference | undefined;
  /** Whether what it left could be compared. */
  readonly compared: boolean;
}

export interface OutputDifference {
  /** In the first and in the second: a stamp may be part of it. */
  readonly names: readonly [string, string];
  readonly how: string;
}

export interface CompareReport {
  readonly folders: readonly [string, string];
  readonly stages: readonly StageDifference[];
  readonly outputs: readonly OutputDifference[];
  /** Paths in the squashfs that differ. */
  readonly paths: readonly TreeDifference[];
  /** What diffoscope says of the first output, or why it was not asked. */
  readonly diffoscope: string | undefined;
}

/** Longest run of diffoscope, in milliseconds. */
const DIFFOSCOPE_LIMIT_MS = 10 * 60_000;
const DIFFOSCOPE_SHOWN_BYTES = 20_000;

/** Outputs in the order in which the stages make them: what comes later holds what comes first. */
const order = [
  "vmlinuz",
  "initrd",
  "filesystem.packages",
  "filesystem.sources",
  "filesystem.manifest",
  "filesystem.squashfs",
];

/** @throws UsageError for a side that is no release */
export async function compareReleases({ sides, outRoot, home, step }: CompareRequest): Promise<CompareReport> {
  const folders = [await findFolder(sides[0], outRoot), await findFolder(sides[1], outRoot)] as const;
  const reports = [await readReport(folders[0]), await readReport(folders[1])] as const;
  const stages = await compareStages(reports, home, step);
  const outputs = await compareOutputs(folders, reports, step);
  const differs = (name: string): boolean => outputs.some(({ names }) => names[0] === name && names[1] === name);
  const paths = differs("filesystem.manifest")
    ? compareManifests(await readManifest(folders[0]), await readManifest(folders[1]))
    : [];
  return { folders, stages, outputs, paths, diffoscope: await askDiffoscope(folders, outputs[0], step) };
}

async function findFolder(side: string, outRoot: string): Promise<string> {
  for (const folder of [resolve(side), join(outRoot, side)]) {
    if ((await stat(join(folder, "build.json")).catch(() => undefined)) !== undefined) return folder;
  }
  throw new UsageError(
    "NO_RELEASE",
    `${side} is neither a folder of outputs nor a stamp that ${outRoot} has: no build.json there`,
    {
      hint: "`livelab releases` lists the releases; outputs that were removed come back by: livelab build -r STAMP create_tgz ...",
    },
  );
}

async function readReport(folder: string): Promise<OutputReport> {
  const report = await readOutputReport(folder);
  if (report !== undefined) return report;
  throw new UsageError("NO_RELEASE", `${join(folder, "build.json")} is not what livelab writes`);
}

async function compareStages(
  [one, two]: readonly [OutputReport, OutputReport],
  home: LivelabHome,
  step: Step,
): Promise<StageDifference[]> {
  const differences: StageDifference[] = [];
  for (const { name, key } of one.stages) {
    const other = two.stages.find((stage) => stage.name === name);
    if (other?.key === key) continue;
    step.status(`what stage ${name} left`);
    const layers = [key, other?.key ?? "none"].map((each) => join(home.layers, each, "fs"));
    const found = await firstOf(layers as [string, string]);
    differences.push({ name, ...found });
  }
  return differences;
}

/** The first difference of two layers, where both are in this home and may be read. */
async function firstOf(layers: readonly [string, string]): Promise<Pick<StageDifference, "first" | "compared">> {
  try {
    const { value } = await compareTrees(...layers).next();
    return { first: value === undefined ? undefined : (value as TreeDifference), compared: true };
  } catch (error) {
    if (!["ENOENT", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return { first: undefined, compared: false };
  }
}

async function compareOutputs(
  folders: readonly [string, string],
  reports: readonly [OutputReport, OutputReport],
  step: Step,
): Promise<OutputDifference[]> {
  // A name with the release's own stamp stands for the same output of the other.
  const names = reports.map(
    ({ files, stamp }) => new Map(files.map(({ name }) => [name.replace(stamp, "<stamp>"), name])),
  ) as [Map<string, string>, Map<string, string>];
  const rank = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length);
  const all = [...new Set([...names[0].keys(), ...names[1].keys()])].sort(
    (a, b) => rank(a) - rank(b) || (a < b ? -1 : 1),
  );
  const differences: OutputDifference[] = [];
  for (const generic of all) {
    const pair = [names[0].get(generic), names[1].get(generic)] as const;
    const [a, b] = pair;
    if (a === undefined || b === undefined) {
      differences.push({ names: [a ?? "", b ?? ""], how: `only in the ${a === undefined ? "second" : "first"}` });
      continue;
    }
    step.status(generic);
    const found = await compareFiles(join(folders[0], a), join(folders[1], b));
    if (found === undefined) continue;
    const digests = reports.map(({ files }, side) =>
      files.find(({ name }) => name === pair[side])?.sha256.slice(0, 16),
    );
    differences.push({
      names: [a, b],
      how: `${found.bytes.join(" and ")} bytes, from byte ${found.offset} on; built as sha256 ${digests.join("… and ")}…`,
    });
  }
  return differences;
}

const readManifest = async (folder: string): Promise<ReturnType<typeof parseManifest>> =>
  parseManifest(await readFile(join(folder, "filesystem.manifest"), "latin1"));

async function askDiffoscope(
  folders: readonly [string, string],
  first: OutputDifference | undefined,
  step: Step,
): Promise<string | undefined> {
  if (first === undefined || first.names.includes("")) return undefined;
  if ((await findProgram("diffoscope")) === undefined)
    return "diffoscope is not installed: it would show what is in the files";
  step.status(`diffoscope ${first.names[0]}`);
  const run = promisify(execFile);
  const files = first.names.map((name, side) => join(folders[side as 0 | 1], name));
  const words = ["--no-progress", "--text", "-", "--max-text-report-size", String(DIFFOSCOPE_SHOWN_BYTES), ...files];
  // It ends with status 1 where files differ.
  return run("diffoscope", words, { timeout: DIFFOSCOPE_LIMIT_MS, maxBuffer: 2 ** 26 }).then(
    () => "diffoscope sees no difference",
    (error: { code?: number; stdout?: string; message: string }) =>
      error.code === 1 && error.stdout ? error.stdout.trimEnd() : `diffoscope failed: ${error.message}`,
  );
}

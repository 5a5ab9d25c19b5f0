/**
 * `livelab compare`: finds the first stage and the first file in which two releases differ, and describes the difference.
 */
import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { findProgram } from "../../base/find-program.js";
import { isThere } from "../../base/is-there.js";
import { UsageError } from "../../base/livelab-error.js";
import type { Step } from "../../base/progress/progress.js";
import { ProgramError, runProgram } from "../../base/run-program.js";
import type { LivelabHome } from "../home/home.js";
import { OUTPUTS_REMEDY, type OutputReport, readOutputReport } from "../release/outputs.js";
import { ManifestMalformed, parseManifest } from "../verify/manifest.js";
import { compareFiles } from "./compare-files.js";
import { compareManifests } from "./compare-manifests.js";
import { compareTrees, type TreeDifference } from "./compare-trees.js";

export interface CompareRequest {
  /** Folders of outputs, or stamps of releases whose outputs are in `outRoot`. */
  readonly sides: readonly [string, string];
  readonly outRoot: string;
  /** The home with the layers of its own releases. */
  readonly home: LivelabHome;
  readonly step: Step;
  /** Ends the comparison with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A stage whose key, the digest of its inputs, differs, or that only one of the releases has. */
export interface StageDifference {
  readonly name: string;
  readonly onlyIn: "first" | "second" | undefined;
  /** The first path of its output that differs; undefined if all are equal or the layers are not in this home. */
  readonly first: TreeDifference | undefined;
  /** Whether its output could be compared. */
  readonly compared: boolean;
}

export interface OutputDifference {
  /** Names in the first and in the second release; they differ if the stamp is part of the name. */
  readonly names: readonly [string, string];
  readonly how: string;
  /** Whether both files exist. */
  readonly bothThere: boolean;
}

export interface CompareReport {
  readonly folders: readonly [string, string];
  readonly stages: readonly StageDifference[];
  readonly outputs: readonly OutputDifference[];
  /** Paths in the squashfs that differ, according to the manifests. */
  readonly paths: readonly TreeDifference[];
  /** Why the paths could not be compared, or undefined. */
  readonly pathsTrouble: string | undefined;
  /** Output of diffoscope for the first output that differs, or why diffoscope did not run. */
  readonly diffoscope: string | undefined;
}

/** Time limit of diffoscope in milliseconds. */
const DIFFOSCOPE_LIMIT_MS = 10 * 60_000;
const DIFFOSCOPE_SHOWN_BYTES = 20_000;

/** Outputs in the order in which the stages make them: later ones contain earlier ones. */
const order = [
  "vmlinuz",
  "initrd",
  "filesystem.packages",
  "filesystem.sources",
  "filesystem.manifest",
  "filesystem.squashfs",
];

/** Compares two releases. @throws UsageError for a side that is not a release; the signal's reason */
export async function compareReleases(request: CompareRequest): Promise<CompareReport> {
  const { sides, outRoot } = request;
  const folders = [await findFolder(sides[0], outRoot), await findFolder(sides[1], outRoot)] as const;
  const reports = [await readReport(folders[0]), await readReport(folders[1])] as const;
  const stages = await compareStages(reports, request);
  const outputs = await compareOutputs(folders, reports, request);
  const manifest = outputs.find(({ names }) => names.includes("filesystem.manifest"));
  const found = manifest?.bothThere ? await comparePaths(folders) : { paths: [], pathsTrouble: undefined };
  return { folders, stages, outputs, ...found, diffoscope: await askDiffoscope(folders, outputs[0], request) };
}

async function findFolder(side: string, outRoot: string): Promise<string> {
  for (const folder of [resolve(side), join(outRoot, side)]) {
    if (await isThere(join(folder, "build.json"))) return folder;
  }
  throw new UsageError(
    "NO_RELEASE",
    `${side} is neither a folder of outputs nor a stamp in ${outRoot}: no build.json was found`,
    {
      hint: `\`livelab releases\` lists the releases; to restore removed outputs: ${OUTPUTS_REMEDY}`,
    },
  );
}

async function readReport(folder: string): Promise<OutputReport> {
  const report = await readOutputReport(folder);
  if (report !== undefined) return report;
  throw new UsageError("NO_RELEASE", `${join(folder, "build.json")} is not a build report of livelab`, {
    hint: `restore the outputs: ${OUTPUTS_REMEDY}`,
  });
}

async function compareStages(
  reports: readonly [OutputReport, OutputReport],
  { home, step, signal }: CompareRequest,
): Promise<StageDifference[]> {
  const differences: StageDifference[] = [];
  for (const name of namesInOrder(reports)) {
    const [one, two] = reports.map(({ stages }) => stages.find((stage) => stage.name === name)?.key);
    if (one === two) continue;
    if (one === undefined || two === undefined) {
      const onlyIn = one === undefined ? "second" : "first";
      differences.push({ name, onlyIn, first: undefined, compared: false });
      continue;
    }
    step.status(`comparing the output of stage ${name}`);
    const found = await firstOf([join(home.layers, one, "fs"), join(home.layers, two, "fs")], signal);
    differences.push({ name, onlyIn: undefined, ...found });
  }
  return differences;
}

/** The stages of both releases in order; a stage of only the second comes after its predecessor there. */
function namesInOrder([one, two]: readonly [OutputReport, OutputReport]): string[] {
  const names = one.stages.map(({ name }) => name);
  for (const [index, { name }] of two.stages.entries()) {
    const before = two.stages[index - 1]?.name ?? "";
    if (!names.includes(name)) names.splice(names.indexOf(before) + 1, 0, name);
  }
  return names;
}

/** The first difference of two layers, if both are in this home and readable. */
async function firstOf(
  [one, two]: readonly [string, string],
  signal: AbortSignal | undefined,
): Promise<Pick<StageDifference, "first" | "compared">> {
  try {
    const { value } = await compareTrees(one, two, signal).next();
    return { first: value === undefined ? undefined : (value as TreeDifference), compared: true };
  } catch (error) {
    if (!["ENOENT", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return { first: undefined, compared: false };
  }
}

async function compareOutputs(
  folders: readonly [string, string],
  reports: readonly [OutputReport, OutputReport],
  { step, signal }: CompareRequest,
): Promise<OutputDifference[]> {
  // Names that differ only in the stamps of their releases name the same output.
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
      const how = `only in the ${a === undefined ? "second" : "first"}`;
      differences.push({ names: [a ?? "", b ?? ""], how, bothThere: false });
      continue;
    }
    const files = [join(folders[0], a), join(folders[1], b)] as const;
    const missing = await whereMissing(files);
    if (missing !== undefined) {
      const how = `missing in ${missing}, although build.json lists it`;
      differences.push({ names: [a, b], how, bothThere: false });
      continue;
    }
    step.status(`comparing ${generic}`);
    const found = await compareFiles(...files, signal);
    if (found === undefined) continue;
    const digests = reports.map(({ files }, side) =>
      files.find(({ name }) => name === pair[side])?.sha256.slice(0, 16),
    );
    differences.push({
      names: [a, b],
      how: `${found.bytes.join(" and ")} bytes, from byte ${found.offset} on; built as sha256 ${digests.join("… and ")}…`,
      bothThere: true,
    });
  }
  return differences;
}

/** Which of the two files is missing, in words; undefined if both exist. */
async function whereMissing(files: readonly [string, string]): Promise<string | undefined> {
  const isFile = async (file: string): Promise<boolean> => (await stat(file).catch(() => undefined))?.isFile() ?? false;
  const [first, second] = [await isFile(files[0]), await isFile(files[1])];
  if (first && second) return undefined;
  return first ? "the second" : second ? "the first" : "both";
}

async function comparePaths([one, two]: readonly [string, string]): Promise<
  Pick<CompareReport, "paths" | "pathsTrouble">
> {
  try {
    return { paths: compareManifests(await readManifest(one), await readManifest(two)), pathsTrouble: undefined };
  } catch (error) {
    if (!(error instanceof ManifestMalformed)) throw error;
    return { paths: [], pathsTrouble: error.message };
  }
}

/** @throws ManifestMalformed with the file's name */
async function readManifest(folder: string): Promise<ReturnType<typeof parseManifest>> {
  const file = join(folder, "filesystem.manifest");
  const text = await readFile(file, "latin1");
  try {
    return parseManifest(text);
  } catch (error) {
    throw error instanceof ManifestMalformed ? new ManifestMalformed(`${file}: ${error.message}`) : error;
  }
}

async function askDiffoscope(
  folders: readonly [string, string],
  first: OutputDifference | undefined,
  { step, signal }: CompareRequest,
): Promise<string | undefined> {
  if (!first?.bothThere) return undefined;
  if ((await findProgram("diffoscope")) === undefined)
    return "diffoscope is not installed; it would show the differences in the files";
  step.status(`running diffoscope on ${first.names[0]}`);
  const files = first.names.map((name, side) => join(folders[side as 0 | 1], name));
  const words = ["--no-progress", "--text", "-", "--max-text-report-size", String(DIFFOSCOPE_SHOWN_BYTES), ...files];
  return runProgram("diffoscope", words, { limitMs: DIFFOSCOPE_LIMIT_MS, signal }).then(
    () => "diffoscope finds no difference",
    (error) => {
      if (!(error instanceof ProgramError)) throw error;
      // diffoscope ends with status 1 if the files differ.
      return error.status === 1 && error.stdout ? error.stdout.trimEnd() : error.message;
    },
  );
}

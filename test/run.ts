/**
 * `npm test`: runs checks of the tree, unit, program and machine tests, boot scenarios, and tests of the booted image.
 * It prints a line for each on stdout, ends with `N passed, N failed`, and exits with 0 only if something ran and all passed.
 * Usage: run.js [--checks] [--unit] [--program] [--machine] [--boot] [FILE...]; without arguments, everything. --unit runs checks, too.
 */
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { processors } from "../base/host-capacity.js";
import { LivelabError, UsageError } from "../base/livelab-error.js";
import { watchOutput } from "../base/lost-output.js";
import { findProjectRoot } from "../base/project-root.js";
import { type Check, runCheck } from "./runner/check.js";
import { memoryFolder } from "./runner/memory-folder.js";
import type { Outcome } from "./runner/outcome.js";
import { outcomeLines, type Part, summaryLines, type TestRun, total } from "./runner/report-lines.js";
import { runTestFile } from "./runner/run-test-file.js";
import { findTestFiles, type TestFile, type TestKind, testFileOf } from "./runner/test-files.js";
import { useTestTools } from "./runner/test-tools.js";

/** Longest run of one file, in milliseconds. */
const FILE_TIMEOUT_MS: Readonly<Record<TestKind, number>> = {
  unit: 5 * 60_000,
  program: 5 * 60_000,
  machine: 10 * 60_000,
  image: 30 * 60_000,
};

/** Longest run of all boot scenarios, in milliseconds, including a cold build on a slow host. */
const BOOT_TIMEOUT_MS = 2 * 60 * 60_000;

/** How many unit tests run at once in addition to one per processor: some wait for clocks and use no processor. */
const ONE_THAT_WAITS = 1;

/** Exit status after Ctrl-C, as in shells. */
const INTERRUPTED = 130;

const root = findProjectRoot();
const dist = dirname(dirname(fileURLToPath(import.meta.url)));

interface Selection {
  readonly checks: boolean;
  readonly files: readonly TestFile[];
  readonly boot: boolean;
}

/** @throws UsageError BAD_ARGUMENT, NO_SUCH_TEST */
async function select(args: readonly string[]): Promise<Selection> {
  const { values, positionals } = parse(args);
  const { checks = false, unit = false, program = false, machine = false, boot = false } = values;
  const places = { root, dist, cwd: process.cwd(), callerCwd: process.env["INIT_CWD"] };
  const named = positionals.map((argument) => testFileOf(argument, places));
  const everything = !checks && !unit && !program && !machine && !boot && named.length === 0;
  const wanted: Readonly<Record<TestKind, boolean>> = { unit, program, machine, image: boot };
  const found = (await findTestFiles(dist)).filter(({ kind }) => everything || wanted[kind]);
  return { checks: everything || checks || unit, files: [...found, ...named], boot: everything || boot };
}

function parse(args: readonly string[]) {
  const flag = { type: "boolean" } as const;
  try {
    const options = { checks: flag, unit: flag, program: flag, machine: flag, boot: flag };
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError("BAD_ARGUMENT", (error as Error).message, {
      hint: "Usage: npm test -- [--checks] [--unit] [--program] [--machine] [--boot] [FILE...]",
    });
  }
}

async function runAll({ checks, files, boot }: Selection, signal: AbortSignal): Promise<TestRun> {
  const startedAt = performance.now();
  const outcomes: Outcome[] = [];
  const parts: Part[] = [];
  const part = async (name: string, work: () => Promise<void>): Promise<void> => {
    const [before, startedAt] = [outcomes.length, performance.now()];
    await work();
    if (outcomes.length > before) parts.push({ name, durationMs: performance.now() - startedAt });
  };
  const run = async (work: Promise<Outcome>): Promise<void> => {
    const outcome = await work;
    outcomes.push(outcome);
    console.log(outcomeLines(outcome));
  };
  const check = (each: Check) => run(runCheck(each, root));
  const inMemory = await memoryFolder(process.env);
  const file = ({ name, path, kind }: TestFile) => {
    const tempParent = kind === "unit" || kind === "program" ? inMemory : undefined; // machines have large disks
    return run(runTestFile(path, { name, timeoutMs: FILE_TIMEOUT_MS[kind], env: process.env, tempParent, signal }));
  };
  const filesOf = (wanted: TestKind) => files.filter(({ kind }) => kind === wanted);

  // Checks and scenarios load half of livelab; a run of a single file does not need it.
  const treeChecks = checks ? (await import("./runner/tree-checks.js")).treeChecks : [];
  const quick = [
    ...treeChecks.map((each) => () => check(each)),
    ...[...filesOf("program"), ...longestFirst(filesOf("unit"))].map((each) => () => file(each)),
  ];
  await part("checks, unit and program tests", () =>
    eachOf(quick, processors() + ONE_THAT_WAITS, signal, (work) => work()),
  );
  await part("machine tests", () => eachOf(longestFirst(filesOf("machine")), processors(), signal, file));
  await part("boot scenarios", async () => {
    if (!boot || signal.aborted) return;
    const { runBootScenarios } = await import("./runner/boot-scenarios.js");
    const { verifyCheck } = await import("./runner/verify-check.js");
    const reportDir = join(root, "out", "test-report");
    const options = { reportDir, timeoutMs: BOOT_TIMEOUT_MS, env: process.env, signal };
    await run(runBootScenarios(join(dist, "cli/main.js"), options));
    await check(verifyCheck);
  });
  await part("tests of the image", () => eachOf(filesOf("image"), processors(), signal, file));
  return { outcomes, parts, durationMs: performance.now() - startedAt };
}

/** Machine tests of minutes. One that is missing here may start last, and the run then takes a little longer. */
const MINUTES = ["vm-stage", "boot-failures", "build-command", "cloud-image", "vm-killed", "vm-channel", "root-vm"];

/**
 * Of unit tests, those in test/ start shells and programs, and take longest. What takes long starts first, so that none of it
 * runs alone at the end.
 */
const longestFirst = (files: readonly TestFile[]): readonly TestFile[] => {
  const takesLong = ({ name, kind }: TestFile): boolean =>
    kind === "machine" ? MINUTES.includes(basename(name, ".test.ts")) : name.startsWith("test/");
  return [...files.filter(takesLong), ...files.filter((each) => !takesLong(each))];
};

/** Runs `work` on each item in order, `width` at a time; starts no more when the signal is aborted. */
async function eachOf<T>(
  items: readonly T[],
  width: number,
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined && !signal.aborted; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** Aborted on the first Ctrl-C, to end running tests; a second one ends the runner at once. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => controller.abort());
  watchOutput({ program: "npm test", onLost: () => controller.abort() });
  return controller.signal;
}

async function main(): Promise<number> {
  const signal = interruptSignal();
  const selection = await select(process.argv.slice(2));
  await useTestTools(signal);
  const testRun = await runAll(selection, signal);
  const { passed, failed } = total(testRun.outcomes);
  if (signal.aborted) console.log("interrupted: some tests did not run");
  if (testRun.outcomes.length === 0) console.log("no tests ran");
  console.log(summaryLines(testRun));
  if (signal.aborted) return INTERRUPTED;
  return passed > 0 && failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof LivelabError)) throw error;
  console.error(`${error.message}\n  ${error.hint}`);
  process.exitCode = error instanceof UsageError ? 2 : 3;
}

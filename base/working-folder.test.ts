import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "./project-root.js";
import { runProgram } from "./run-program.js";
import { TempDir } from "./temp-dir.js";
import { usableFolder } from "./working-folder.js";

const test = suite("the working folder");

const compiled = (path: string): string => JSON.stringify(join(findProjectRoot(), "dist", path));

/** Root without the capabilities that let it enter any folder. Source: capabilities(7). */
const unprivileged =
  process.getuid?.() === 0 ? ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] : ["env"];

/** Runs the lines of a module in a new folder, after a command of the shell. @returns its stdout */
async function runIn(spoil: string, ...lines: readonly string[]): Promise<string> {
  await using dir = await TempDir.create("working-folder");
  const folder = join(dir.path, "folder");
  const script = join(dir.path, "script.mjs"); // node -e needs a working folder
  await mkdir(folder);
  await writeFile(script, lines.join("\n"));
  const command = `cd "$1"; shift; ${spoil}; exec "$@"`;
  const { stdout } = await runProgram("sh", ["-euc", command, "sh", folder, ...unprivileged, process.execPath, script]);
  await chmod(folder, 0o700).catch(() => undefined);
  return stdout;
}

const printFolders = [
  `import { runProgram, startProgram } from ${compiled("base/run-program.js")};`,
  `process.stdout.write((await runProgram("pwd")).stdout);`,
  `const started = await startProgram("sh", ["-c", "pwd >&2"]);`,
  `process.stdout.write((await started.exited).stderr);`,
];

test("programs run in the working folder of this process", async () => {
  assert.is(usableFolder(), process.cwd());
  assert.match(await runIn(":", ...printFolders), /^(\/.+\/folder\n)\1$/);
});

test("programs run in / if the working folder is gone, also if it went while livelab ran", async () => {
  assert.is(await runIn('rmdir "$PWD"', ...printFolders), "/\n/\n");
  const remove = `import { rmdirSync } from "node:fs"; rmdirSync(process.cwd());`;
  assert.is(await runIn(":", remove, ...printFolders), "/\n/\n");
});

test("programs run in / if this user may not enter the working folder", async () => {
  assert.is(await runIn('chmod 0 "$PWD"', ...printFolders), "/\n/\n");
});

test("a program that does not start from a working folder that is gone has an error about that folder", async () => {
  const said = await runIn(
    'rmdir "$PWD"',
    `import { runProgram, startProgram } from ${compiled("base/run-program.js")};`,
    `import { explainSystemError } from ${compiled("base/system-error.js")};`,
    `await runProgram("livelab-none").catch((error) => console.log(explainSystemError(error)?.message));`,
    `const started = await startProgram("livelab-none", []);`,
    `console.log(explainSystemError((await started.exited).cause)?.message);`,
  );
  assert.is(said, "the working folder no longer exists\n".repeat(2));
});

test.run();

/** The commands that README.md, docs/ and the commands' help show: each is parsed, and the quick ones are run. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { stageNames } from "../../builder/stages/stages.js";
import type { ParsedCommand, ParsedCommands } from "../../fixtures/parse-commands.js";
import { allScenarios } from "../scenarios/all-scenarios.js";

const test = suite("documented commands");
const root = findProjectRoot();
const cli = join(root, "dist/cli/main.js");

const pages = (await readdir(join(root, "docs"))).filter((name) => name.endsWith(".md"));
const documents = ["README.md", ...pages.map((name) => `docs/${name}`)];
const texts = await Promise.all(documents.map((name) => readFile(join(root, name), "utf8")));

/** Lines of indented blocks, without what stands behind a #, and code within text. */
const codeIn = (text: string): string[] => [
  ...[...text.matchAll(/^ {4}(\S.*)$/gm)].map(([, line = ""]) => line.replace(/\s+# .*$/, "")),
  ...[...text.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code),
];

/** What stands for a value, and a value that it may have. */
const PLACEHOLDERS: readonly (readonly [pattern: RegExp, value: string])[] = [
  [/\[:LEVEL\]/g, ":1"],
  [/\[DIR or FILE\]/g, "DIR"],
  [/[[\]]/g, ""],
  [/(\w)\.\.\.(?=\s|$)/g, "$1"], // "[STAGE...]": once is enough
  [/(\w+)(\|\w+)+/g, "$1"], // the first of several
  [/\bSTAMP\b/g, "20260102T030405Z"],
  [/\bSTAGE\b/g, stageNames[0] ?? ""],
  [/\bSCENARIO\b|\bNAME\b/g, allScenarios[0]?.name ?? ""],
  [/\bMAC\b/g, "52:54:00:99:00:39"],
  [/\bADDRESS\b/g, "10.99.99.60"],
  [/\bN\b/g, "3"],
  [/\bCOMMAND\b/g, "build"],
];

/** The words of a command line in a shell; quotes keep some together. */
const wordsOf = (line: string): string[] =>
  [
    ...PLACEHOLDERS.reduce((text, [pattern, value]) => text.replace(pattern, value), line).matchAll(/'([^']*)'|(\S+)/g),
  ].map(([, quoted, plain]) => quoted ?? plain ?? "");

const code = texts.flatMap(codeIn);
/** `$(livelab …)` is one inside of another. */
const livelabCommands = code
  .flatMap((text) => [text, ...[...text.matchAll(/\$\((.*?)\)/g)].map(([, inner = ""]) => inner)])
  .map((text) => text.replace(/^npx /, ""))
  .filter((text) => /^livelab [a-zA-Z]/.test(text));
const npmCommands = code.filter((text) => /^npm [a-z]/.test(text));

async function parse(commands: readonly string[]): Promise<ParsedCommands> {
  const { stdout } = await runProgram(
    process.execPath,
    ["--import", join(root, "dist/fixtures/parse-commands.js"), cli],
    {
      env: { ...process.env, LIVELAB_COMMANDS: JSON.stringify(commands.map((command) => wordsOf(command).slice(1))) },
    },
  );
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
}

/** What is wrong with a command though it can be parsed. */
function unknownWord({ name, words = [] }: ParsedCommand): string | undefined {
  const known = { build: [...stageNames, "..."], test: allScenarios.map((scenario) => scenario.name) }[name ?? ""];
  return known && words.find((word) => !known.includes(word));
}

function assertAllGood(commands: readonly string[], parsed: readonly ParsedCommand[]): void {
  assert.is(parsed.length, commands.length);
  for (const [index, result] of parsed.entries()) {
    assert.is(result.problem, undefined, `${commands[index]}: ${result.problem}`);
    assert.is(unknownWord(result), undefined, `${commands[index]}: there is no ${unknownWord(result)}`);
  }
}

test("livelab's can be parsed: commands, options and their values, stages and scenarios", async () => {
  assert.ok(livelabCommands.length >= 25, `${livelabCommands.length} found`);
  const { parsed, helpExamples } = await parse(livelabCommands);
  assertAllGood(livelabCommands, parsed);
  assert.ok(helpExamples.length >= 12, `${helpExamples.length} in the help`);
  assertAllGood(helpExamples, (await parse(helpExamples)).parsed);
});

test("a command that cannot be parsed is found, as is a stage or scenario that does not exist", async () => {
  const wrong = ["livelab boot --mediun iso", "livelab boot --medium floppy", "livelab compare A", "livelab frob"];
  const misnamed = ["livelab build instal_live", "livelab test no-such", "livelab build -r STAMP create_tgz ..."];
  const { parsed } = await parse([...wrong, ...misnamed]);
  for (const { problem } of parsed.slice(0, wrong.length)) assert.ok(problem);
  assert.equal(parsed.slice(wrong.length).map(unknownWord), ["instal_live", "no-such", undefined]);
});

test("npm's are scripts of package.json", async () => {
  assert.ok(npmCommands.length >= 10, `${npmCommands.length} found`);
  const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { scripts: object };
  for (const command of npmCommands) {
    const [, verb = "", name = ""] = command.split(" ");
    assert.ok((verb === "run" ? name : verb) in scripts, command);
  }
});

test("files of the tree in commands and in text exist", () => {
  const named = [...code, ...livelabCommands.flatMap(wordsOf)].filter((text) =>
    /^(base|builder|cli|docs|fixtures|harness|proto|setup|test|vm|\.ci|\.github)\/[^\s<>*]+\.(ts|mjs|sh|json|jq|md|yml|config)$/.test(
      text,
    ),
  );
  assert.ok(named.length >= 5, named.join());
  for (const file of named) assert.ok(existsSync(join(root, file)), file);
});

test("the quick ones do what they say", async () => {
  await using home = await TempDir.create("documented");
  const env = { ...process.env, LIVELAB_HOME: home.path };
  for (const command of ["livelab stages", "livelab releases", "livelab COMMAND --help"]) {
    assert.ok(livelabCommands.includes(command), `${command} is in the documents`);
    await runProgram(process.execPath, [cli, ...wordsOf(command).slice(1)], { env });
  }
});

test("npm test takes the options shown, and runs the file of tests that is shown", async () => {
  const examples = npmCommands.filter((command) => command.startsWith("npm test -- "));
  const words = examples.map((command) => command.split(" ").slice(3));
  const files = words.flat().filter((word) => !word.startsWith("-"));
  assert.ok(files.length >= 1, examples.join());
  const { stdout } = await runProgram(process.execPath, [join(root, "dist/test/run.js"), ...files], { cwd: root });
  assert.match(stdout, /\n[1-9]\d* passed, 0 failed\n$/);
  // With a file that does not exist nothing runs, and options are read before.
  const options = words.flat().filter((word) => word.startsWith("-"));
  const refused = await runProgram(process.execPath, [
    join(root, "dist/test/run.js"),
    ...options,
    "none.test.ts",
  ]).catch(({ stderr }: { stderr: string }) => stderr);
  assert.match(String(refused), "none.test.ts is no file of tests");
});

test.run();

import { cp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { type Check, runCheck } from "./check.js";
import { formatCheck } from "./format-check.js";
import { lockProblems } from "./lock-check.js";
import { runProgram } from "./run-program.js";
import { isShellFile, shellCheck } from "./shell-check.js";
import { workflowCheck } from "./workflow-check.js";

const test = suite("checks of the tree");

test("the lock check finds addresses, paths and missing digests", () => {
  const integrity = "sha512-AAAA";
  const problems = lockProblems(
    JSON.stringify({
      packages: {
        "": { name: "livelab" },
        "node_modules/good": { version: "1.0.0", integrity, funding: { url: "https://funding.example" } },
        "node_modules/addressed": { integrity, resolved: "https://registry.example/addressed-1.0.0.tgz" },
        "../elsewhere": { version: "1.0.0", integrity },
        "node_modules/linked": { link: true, integrity },
        "node_modules/undigested": { version: "1.0.0" },
      },
    }),
  );
  assert.equal(
    problems.map((problem) => problem.split(" ")[0]),
    ["node_modules/addressed", "../elsewhere", "node_modules/linked", "node_modules/undigested"],
  );
});

test("the lock check finds missing dependencies, and looks for them in inner folders, too", () => {
  const integrity = "sha512-AAAA";
  const problems = lockProblems(
    JSON.stringify({
      packages: {
        "node_modules/a": {
          integrity,
          dependencies: { outer: "1", inner: "1" },
          optionalDependencies: { absent: "1" },
        },
        "node_modules/a/node_modules/inner": { integrity, dependencies: { sibling: "1", hidden: "1" } },
        "node_modules/a/node_modules/sibling": { integrity },
        "node_modules/b/node_modules/hidden": { integrity },
        "node_modules/outer": { integrity },
      },
    }),
  );
  assert.equal(
    problems.map((problem) => problem.split(",")[0]),
    ["node_modules/a needs absent", "node_modules/a/node_modules/inner needs hidden"],
  );
});

test("a shell file is recognised by its extension, its first line or its directive", () => {
  assert.ok(isShellFile("builder/stages/lib.sh", ""));
  assert.ok(isShellFile("proto/scripts/triton", "#!/bin/sh\n"));
  assert.ok(isShellFile(".ci/run", "#!/usr/bin/env bash\n"));
  assert.ok(isShellFile("proto/scripts/sourced", "# Sourced.\n# shellcheck shell=sh\n"));
  assert.not(isShellFile("proto/bin/tool", "#!/usr/bin/python3\n"));
  assert.not(isShellFile("vm/shell.ts", "// runs #!/bin/sh\n"));
  assert.not(isShellFile("proto/bin/fish", "#!/usr/bin/fish\n"));
});

/** A git repository with one file in it. */
async function repositoryWith(dir: string, path: string, text: string): Promise<void> {
  await runProgram(["git", "init", "-q", dir], dir);
  await mkdir(join(dir, path, ".."), { recursive: true });
  await writeFile(join(dir, path), text);
}

test("the shell check finds a fault in an untracked file, and follows sourced files", async () => {
  await using dir = await TempDir.create("shell-check");
  await repositoryWith(dir.path, "proto/scripts/faulty", "#!/bin/sh\nrm $1\n");
  assert.match((await shellCheck.problems(dir.path)).join(), /faulty line 2(.|\n)*SC2086/);

  await writeFile(join(dir.path, "proto/scripts/faulty"), '#!/bin/sh\n. "$(dirname "$0")/lib.sh"\ngreet "$1"\n');
  await writeFile(join(dir.path, "proto/scripts/lib.sh"), '# shellcheck shell=sh\ngreet() { echo "$1"; }\n');
  assert.equal(await shellCheck.problems(dir.path), []);
});

test("the format check finds an unformatted file, and ignores a broken link", async () => {
  await using dir = await TempDir.create("format-check");
  await repositoryWith(dir.path, "vm/a.ts", "export const   a=1\n");
  await cp(join(findProjectRoot(), "biome.json"), join(dir.path, "biome.json"));
  await symlink(join(findProjectRoot(), "node_modules"), join(dir.path, "node_modules"));
  await writeFile(join(dir.path, ".gitignore"), "node_modules\n");
  await symlink("/usr/lib/only/in/the/image", join(dir.path, "link.json"));
  assert.match((await formatCheck.problems(dir.path)).join(), "vm/a.ts format");

  await writeFile(join(dir.path, "vm/a.ts"), "export const a = 1;\n");
  assert.equal(await formatCheck.problems(dir.path), []);
});

test("the workflow check fails for a workflow with a mistake, and for a tree without workflows", async () => {
  await using dir = await TempDir.create("workflow-check");
  const steps = "    steps:\n      - run: echo\n        if: github.sha\n";
  const workflow = `on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n${steps}`;
  await repositoryWith(dir.path, ".github/workflows/a.yml", workflow.replace("github.sha", "github.sha1"));
  await symlink(join(findProjectRoot(), "node_modules"), join(dir.path, "node_modules"));
  assert.match((await workflowCheck.problems(dir.path)).join(), 'property "sha1" is not defined');

  await writeFile(join(dir.path, ".github/workflows/a.yml"), workflow);
  assert.equal(await workflowCheck.problems(dir.path), []);

  await rm(join(dir.path, ".github"), { recursive: true });
  assert.match((await workflowCheck.problems(dir.path)).join(), "No workflow files found");
});

test("a check that throws counts as failed", async () => {
  const broken: Check = { name: "broken", problems: () => Promise.reject(new Error("git ls-files failed")) };
  const outcome = await runCheck(broken, "/");
  assert.is(outcome.failed, 1);
  assert.match(outcome.problems[0] ?? "", "git ls-files failed");
});

test.run();

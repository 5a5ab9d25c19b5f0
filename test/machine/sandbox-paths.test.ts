/** The sandbox in folders with hostile or long names, of which no path is cut, split or read as an option; and with any umask. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { machineScripts } from "../../builder/build-context.js";
import { openHome } from "../../builder/home/home.js";
import { checkNamespaces } from "../../builder/machines/sandbox/namespace-check.js";
import { MOST_LAYERS } from "../../builder/machines/sandbox/overlay.js";
import { Sandbox } from "../../builder/machines/sandbox/sandbox.js";
import { HOSTILE_NAME, HOSTILE_NAMES } from "../../fixtures/hostile-paths.js";
import { sandboxLack } from "../../fixtures/sandbox-lack.js";
import { linkHome, openToyBuildContext, runToyStages, TOY_STAMP, toyContext } from "../../fixtures/toy-stage.js";
import { testUnless } from "../runner/skip-test.js";

const suiteOfPaths = suite("paths of the sandbox");
const test = (title: string, body: () => Promise<void>): void => testUnless(suiteOfPaths, title, sandboxLack, body);
const asRoot = process.getuid?.() === 0;
const scripts = machineScripts(findProjectRoot());

test("the check for the sandbox passes in a home of any name", async () => {
  await using dir = await TempDir.create("paths");
  for (const name of HOSTILE_NAMES) {
    const home = await openHome(join(dir.path, name));
    assert.equal([name, (await checkNamespaces({ home, scripts, asRoot })).state], [name, "ok"]);
  }
});

test("stages run in a home whose name has every hostile character and 300 bytes before it", async () => {
  await using dir = await TempDir.create("paths");
  const homeRoot = join(dir.path, "long".repeat(50), "h".repeat(100), HOSTILE_NAME);
  await mkdir(homeRoot, { recursive: true });
  const buildContext = await openToyBuildContext(await linkHome(homeRoot));
  await using gateway = buildContext.createGateway();
  const context = await toyContext(buildContext, gateway);
  await runToyStages(context, ["toy_write"]);
  await using machine = await context.machines.show({ stamp: TOY_STAMP, stages: ["toy_write"] });
  const { stdout } = await machine.ssh.exec("cat /data/debian-live/*/stamps");
  assert.is(stdout.toString(), `${TOY_STAMP}\n`);
});

test("stages run with any umask of the user, and write with umask 022", async () => {
  const former = process.umask();
  try {
    for (const umask of [0o000, 0o002, 0o077]) {
      await using dir = await TempDir.create("umask");
      const buildContext = await openToyBuildContext(await linkHome(dir.path));
      process.umask(umask);
      await using gateway = buildContext.createGateway();
      const context = await toyContext(buildContext, gateway);
      await runToyStages(context, ["toy_write"]);
      await using machine = await context.machines.show({ stamp: TOY_STAMP, stages: ["toy_write"] });
      const { stdout } = await machine.ssh.exec("cd /data/debian-live/*/; stat -c %a / . stamps; umask");
      assert.equal(stdout.toString().split("\n").slice(0, 4), ["755", "755", "644", "0022"], umask.toString(8));
      process.umask(former);
    }
  } finally {
    process.umask(former);
  }
});

test("a release with the maximum number of layers is shown completely, with long paths", async () => {
  await using dir = await TempDir.create("paths");
  const homeRoot = join(dir.path, "long".repeat(50));
  await mkdir(homeRoot, { recursive: true });
  const buildContext = await openToyBuildContext(await linkHome(homeRoot));
  await buildContext.machines.ready();
  const { home } = buildContext;
  const lower = Array.from({ length: MOST_LAYERS - 1 }, (_, index) =>
    join(home.layers, `${"k".repeat(64)}-${index}`, "fs"),
  );
  for (const [index, layer] of lower.entries()) {
    await mkdir(layer, { recursive: true });
    await writeFile(join(layer, `file-${index}`), "");
  }
  const base = join(home.bases, buildContext.machines.baseKey, "root");
  await using sandbox = await Sandbox.start({ home, base, release: { stamp: TOY_STAMP, lower }, scripts, asRoot });
  const { stdout } = await sandbox.ssh.exec("ls /data/debian-live/*/ | wc -l");
  assert.is(stdout.toString().trim(), String(MOST_LAYERS - 1));
});

suiteOfPaths.run();

/**
 * A host that grants no namespaces: livelab says so and ends, with nothing left. Such a host is made of a user namespace
 * that allows none within; the real one is not touched.
 */
import { execFile, spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { skipTest } from "../runner/skip-test.js";

const test = suite("a host without namespaces");
const run = promisify(execFile);

const UNSHARE = ["--user", "--map-root-user", "--fork", "--kill-child=SIGKILL", "--pid", "--mount-proc", "--"];
const FORBID = "echo 0 >/proc/sys/user/max_user_namespaces && exec";

const title = "is told apart at once, and the helper that unshare would forget is not started";
if (spawnSync("unshare", [...UNSHARE, "sh", "-c", `${FORBID} true`]).status !== 0) {
  skipTest(test, title, "this host has no user namespaces itself");
} else {
  test(title, async () => {
    await using dir = await TempDir.create("refusal");
    const root = findProjectRoot();
    const trial = { home: { machines: dir.path }, scripts: join(root, "builder/machines"), asRoot: false };
    const module = pathToFileURL(join(root, "dist/builder/machines/sandbox/namespace-check.js")).href;
    const program = `
      import { readdirSync } from "node:fs";
      import { checkNamespaces } from ${JSON.stringify(module)};
      const check = await checkNamespaces(${JSON.stringify(trial)});
      const processes = readdirSync("/proc").filter((name) => /^\\d+$/.test(name));
      console.log(JSON.stringify({ ...check, processes }));`;
    const { stdout } = await run(
      "unshare",
      [...UNSHARE, "sh", "-c", `${FORBID} "$@"`, "sh", process.execPath, "--input-type=module", "-e", program],
      { timeout: 5_000, killSignal: "SIGKILL" },
    );
    const { state, detail, remedy, processes } = JSON.parse(stdout);
    assert.is(state, "missing");
    assert.match(detail, "unshare failed: No space left on device");
    assert.match(remedy, "sysctl user.max_user_namespaces=");
    assert.equal(processes, ["1"]);
    assert.equal(await readdir(dir.path), []);
  });
}

test.run();

/**
 * A host that grants no namespaces: livelab reports it and exits, with nothing left. A user namespace that allows no further
 * ones plays such a host; the real host is not changed.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { testUnless } from "../runner/skip-test.js";

const test = suite("a host without namespaces");
const UNSHARE = ["--user", "--map-root-user", "--fork", "--kill-child=SIGKILL", "--pid", "--mount-proc", "--"];
const FORBID = "echo 0 >/proc/sys/user/max_user_namespaces && exec";

const title =
  "a host without namespaces is reported at once, and the helper that unshare would leave behind is not started";
const refused = await runProgram("unshare", [...UNSHARE, "sh", "-c", `${FORBID} true`]).then(
  () => undefined,
  () => "this host has no user namespaces itself",
);
testUnless(test, title, refused, async () => {
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
  const { stdout } = await runProgram(
    "unshare",
    [...UNSHARE, "sh", "-c", `${FORBID} "$@"`, "sh", process.execPath, "--input-type=module", "-e", program],
    { limitMs: 5_000 },
  );
  const { state, detail, remedy, processes } = JSON.parse(stdout);
  assert.is(state, "warning");
  assert.match(detail, "unshare failed: No space left on device");
  assert.match(remedy, "sysctl user.max_user_namespaces=");
  assert.equal(processes, ["1"]);
  assert.equal(await readdir(dir.path), []);
});

test.run();

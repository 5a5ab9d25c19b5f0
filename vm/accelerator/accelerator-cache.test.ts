import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { needsRoot, testUnless } from "../../test/runner/skip-test.js";

const test = suite("stored results of probes");

const noProcfs = "findings are stored and loaded on a host without procfs";
testUnless(test, noProcfs, needsRoot("to unmount /proc"), async () => {
  await using dir = await TempDir.create("cache");
  const { stdout } = await runProgram("unshare", [
    ...["--mount", "--propagation", "private", "sh", "-euc"],
    'umount -l /proc; exec "$1" --input-type=module -e "$2"',
    ...["sh", process.execPath],
    `import { AcceleratorCache } from ${JSON.stringify(join(findProjectRoot(), "dist/vm/accelerator/accelerator-cache.js"))};
     const open = () => AcceleratorCache.open(${JSON.stringify(dir.path)}, process.execPath, "7.2");
     await (await open()).save({ tcg: { afterMs: 1_000, foundAt: new Date().toISOString() } });
     console.log((await (await open()).load()).tcg?.afterMs);`,
  ]);
  assert.is(stdout, "1000\n");
});

test.run();

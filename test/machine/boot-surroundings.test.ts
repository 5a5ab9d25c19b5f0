/** A boot in difficult surroundings: long paths for its sockets, and output without a reader. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";

const test = suite("boot surroundings");
const root = findProjectRoot();

/** An empty image: these boots end before they fetch its kernel. */
async function makeImage(folder: string): Promise<string> {
  await mkdir(folder);
  for (const name of ["vmlinuz", "initrd", "filesystem.squashfs"]) {
    await writeFile(join(folder, name), Buffer.alloc(1024 * 1024));
  }
  return folder;
}

test("a boot with long paths and without a reader of its messages passes and leaves nothing", async () => {
  await using dir = await TempDir.create("boot-surroundings");
  await using runtime = await TempDir.create("runtime");
  const image = await makeImage(join(dir.path, "image"));
  const long = (name: string): string => join(dir.path, `${name}${"-".repeat(130 - dir.path.length - name.length)}`);
  const [TMPDIR, LIVELAB_HOME, report] = [long("temp"), long("home"), long("report")];
  await mkdir(TMPDIR);
  const networking = join(root, "fixtures/networking.two-nics.json");
  const child = spawn(
    "bash",
    [
      ...["-c", `"$@" 2>&1 >/dev/null | true; exit "\${PIPESTATUS[0]}"`, "bash"],
      ...[process.execPath, join(root, "dist/cli/main.js"), "boot", image, "--accel", "tcg", "--until", "ipxe-script"],
      ...["--networking", networking, "--nic", "52:54:00:99:00:39", "--report", report],
    ],
    { env: { ...process.env, TMPDIR, LIVELAB_HOME, XDG_RUNTIME_DIR: runtime.path }, stdio: "ignore" },
  );
  const [status] = await once(child, "close");
  const { verdict } = JSON.parse(await readFile(join(report, "report.json"), "utf8"));
  assert.is(verdict.outcome, "passed", JSON.stringify(verdict));
  assert.is(status, 0);
  assert.equal(await readdir(TMPDIR), []);
  assert.equal(await readdir(runtime.path), []);
});

test.run();

/** sdc-factoryreset: its questions, the mark that it sets, and how it ends. Also the export of pools at shutdown. */
import { spawn } from "node:child_process";
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { toolFolders } from "../../base/tools.js";
import { shells } from "../../fixtures/proto-initramfs.js";

const test = suite("proto: factory reset");
const program = join(findProjectRoot(), "proto/usr/triton/bin/sdc-factoryreset");
const exporter = join(findProjectRoot(), "proto/usr/lib/systemd/system-shutdown/triton-export-pools");

interface Run {
  readonly program?: string;
  readonly args?: readonly string[];
  readonly input?: string;
  /** Target of the link /run/triton/system_pool. @default no link */
  readonly link?: string;
  /** The command line that fails. */
  readonly fails?: string;
}

/** Runs the program with fake commands that only record their command lines. */
async function run({ program: file = program, args = [], input = "", link, fails = "nothing" }: Run) {
  await using root = await TempDir.create("factory-reset");
  for (const folder of ["bin", "run/triton", "sys/module/zfs", "dev"]) {
    await mkdir(join(root.path, folder), { recursive: true });
  }
  await writeFile(join(root.path, "done"), "");
  await writeFile(join(root.path, "dev/console"), "");
  if (link !== undefined) await symlink(link, join(root.path, "run/triton/system_pool"));
  for (const name of ["zfs", "zpool", "sleep", "systemctl"]) {
    const path = join(root.path, "bin", name);
    await writeFile(
      path,
      `#!/bin/sh
echo "${name} $*" >>"$TRITON_SYSROOT/done"
[ "${name} $*" != "zpool list -H -o name" ] || printf 'zones\\nmy tank\\n'
[ "${name} $*" != "${fails}" ] || { echo "${name}: pool is busy" >&2; exit 1; }
`,
    );
    await chmod(path, 0o755);
  }
  const outcomes = [];
  for (const [shell, ...first] of shells) {
    await writeFile(join(root.path, "done"), "");
    await writeFile(join(root.path, "dev/console"), "");
    const child = spawn(shell, [...first, file, ...args], {
      env: { PATH: [join(root.path, "bin"), ...toolFolders(), "/usr/bin:/bin"].join(":"), TRITON_SYSROOT: root.path },
      timeout: 30_000,
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk) => {
      stdout += String(chunk);
    });
    child.stderr.on("data", (chunk) => {
      stderr += String(chunk);
    });
    child.stdin.on("error", () => {}); // some of these programs do not read their input
    child.stdin.end(input);
    const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
    const done = (await readFile(join(root.path, "done"), "utf8")).split("\n").slice(0, -1);
    outcomes.push({ status, stdout, stderr, done, log: await readFile(join(root.path, "dev/console"), "utf8") });
  }
  const [first, second] = outcomes;
  assert.equal(first, second, "all shells do the same");
  if (first === undefined) throw new Error("no shell");
  return first;
}

const marked = (pool: string, end: string): string[] => [
  `zfs list -H -o name ${pool}/var`,
  "sleep 5",
  `zfs set smartdc:factoryreset=yes ${pool}/var`,
  `systemctl ${end}`,
];

test("after two answers of yes and five seconds, the system pool is marked and the machine reboots", async () => {
  const { status, done } = await run({ input: "y\ny\n", link: "/rpool/" });
  assert.is(status, 0);
  assert.equal(done, marked("rpool", "reboot"));
});

test("-s powers off instead of rebooting", async () => {
  const { done } = await run({ args: ["-s"], input: "yes\nY\n", link: "/zones/" });
  assert.equal(done, marked("zones", "poweroff"));
});

test("without the link to the system pool, the pool is zones", async () => {
  const { done } = await run({ input: "y\ny\n" });
  assert.equal(done, marked("zones", "reboot"));
});

test("any other answers than two of yes change nothing", async () => {
  for (const input of ["", "n\n", "y\nn\n", "y\n", "maybe\nN\n", "y y\nyep\n", "no\ny\n"]) {
    const { status, done, stdout } = await run({ input, link: "/zones/" });
    assert.is(status, 1, input);
    assert.match(stdout, "Nothing changed.");
    assert.equal(done, ["zfs list -H -o name zones/var"], input);
  }
});

test("an answer that is neither yes nor no repeats the question", async () => {
  const { done, stdout } = await run({ input: "what?\ny\n\ny\n", link: "/zones/" });
  assert.is(stdout.split("[y/n]").length - 1, 4);
  assert.equal(done, marked("zones", "reboot"));
});

test("without a dataset to mark, the program fails before any question", async () => {
  const { status, stdout, stderr } = await run({ input: "y\ny\n", fails: "zfs list -H -o name zones/var" });
  assert.is(status, 1);
  assert.is(stdout, "");
  assert.match(stderr, "no dataset zones/var to mark");
});

test("a mark that cannot be set is reported, and the machine does not reboot", async () => {
  const { status, stderr, done } = await run({ input: "y\ny\n", fails: "zfs set smartdc:factoryreset=yes zones/var" });
  assert.is(status, 1);
  assert.match(stderr, "cannot mark zones/var; nothing changed");
  assert.is(done.at(-1), "zfs set smartdc:factoryreset=yes zones/var");
});

test("--help and -h print the usage, and an unknown argument is rejected with it", async () => {
  for (const option of ["--help", "-h"]) {
    const { status, stdout, done } = await run({ args: [option] });
    assert.is(status, 0);
    assert.match(stdout, /^usage: sdc-factoryreset \[-s\]/);
    assert.equal(done, []);
  }
  for (const args of [["-x"], ["-s", "-s"], ["now"], [""]]) {
    const { status, stderr, done } = await run({ args, input: "y\ny\n" });
    assert.is(status, 2, args.join(" "));
    assert.match(stderr, /^usage: /);
    assert.equal(done, []);
  }
});

test("the shutdown script exports each pool by its name, and reports each success and failure on the console", async () => {
  const { done, log } = await run({ program: exporter, args: ["reboot"], fails: "zpool export zones" });
  assert.equal(done, ["zpool list -H -o name", "zpool export zones", "zpool export my tank"]);
  assert.is(
    log,
    "triton: error: pool zones was not exported: zpool: pool is busy; another machine needs 'zpool import -f'\n" +
      "triton: pool my tank exported\n",
  );
});

test("the shutdown script reports pools that it cannot list", async () => {
  const { done, log, status } = await run({ program: exporter, args: ["reboot"], fails: "zpool list -H -o name" });
  assert.is(status, 0);
  assert.equal(done, ["zpool list -H -o name"]);
  assert.match(log, "the list of pools cannot be read, so pools were not exported: ");
  assert.match(log, "zpool: pool is busy");
});

test.run();

/** mkzpool: the arguments of zpool for a pool's description, what it refuses, and how it bears an interrupt. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { toolFolders } from "../../base/tools.js";
import { type FakePool, fakeZfs } from "../../fixtures/fake-zfs.js";

const proto = join(findProjectRoot(), "proto/usr/triton");
const { readPassphrase } = (await import(join(proto, "lib/mkzpool/passphrase.mjs"))) as {
  readPassphrase: (input: PassThrough, limitMs?: number) => Promise<string>;
};

const test = suite("proto: mkzpool");

/** Longest run of mkzpool, in milliseconds. */
const LIMIT_MS = 30_000;

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A node with fake ZFS (fixtures/fake-zfs) and the file pool.json. */
class FakeNode implements AsyncDisposable {
  readonly #folder: TempDir;

  private constructor(folder: TempDir) {
    this.#folder = folder;
  }

  /** @param labels the pool whose label is on a disk, by the disk's name */
  static async create(json: unknown, labels: Readonly<Record<string, string>> = {}, pools: readonly FakePool[] = []) {
    const node = new FakeNode(await TempDir.create("mkzpool"));
    const { files, programs } = await fakeZfs(pools);
    const text = typeof json === "string" ? json : JSON.stringify(json);
    const all = { ...files, commands: "", "pool.json": text };
    for (const [disk, pool] of Object.entries(labels)) Object.assign(all, { [`zfs/label-${disk}`]: `${pool}\n` });
    for (const [name, content] of Object.entries(all)) {
      await mkdir(dirname(node.path(name)), { recursive: true });
      await writeFile(node.path(name), content);
    }
    await mkdir(node.path("bin"));
    await writeFile(node.path("bin/zpool"), programs["zpool"] ?? "");
    await chmod(node.path("bin/zpool"), 0o755);
    return node;
  }

  path(inside: string): string {
    return join(this.#folder.path, inside);
  }

  /** Starts mkzpool in this folder. */
  start(...args: readonly string[]): ChildProcess {
    return spawn(process.execPath, [join(proto, "bin/mkzpool"), ...args], {
      cwd: this.#folder.path,
      env: { PATH: [this.path("bin"), ...toolFolders(), "/usr/bin:/bin"].join(":"), TRITON_SYSROOT: this.#folder.path },
      timeout: LIMIT_MS,
    });
  }

  async run(args: readonly string[], input = ""): Promise<Ended> {
    const child = this.start(...args);
    child.stdin?.on("error", () => {}).end(input); // most runs do not read it
    return await ended(child);
  }

  /** The command lines of zpool. */
  async commands(): Promise<string[]> {
    return (await readFile(this.path("commands"), "utf8")).split("\n").slice(0, -1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

async function ended(child: ChildProcess): Promise<Ended> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk) => {
    stdout += String(chunk);
  });
  child.stderr?.on("data", (chunk) => {
    stderr += String(chunk);
  });
  const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { status, stdout, stderr };
}

const disk = (name: string): object => ({ name, vid: "ATA", pid: "DISK", size: 1e12, solid_state: false });
const vdev = (type: string, ...names: string[]): object => ({ type, devices: names.map(disk) });
const mirror = { vdevs: [vdev("mirror", "sda", "sdb")], capacity: 1e12 };

/** A description → the arguments of zpool create after the pool's name. */
const pools: readonly (readonly [json: object, argv: string])[] = [
  [{ vdevs: [disk("sda")], capacity: 1e12 }, "sda"],
  [mirror, "mirror sda sdb"],
  [{ vdevs: [vdev("mirror", "sda", "sdb"), vdev("mirror", "sdc", "sdd")] }, "mirror sda sdb mirror sdc sdd"],
  [{ vdevs: [vdev("raidz", "sda", "sdb", "nvme0n1")] }, "raidz sda sdb nvme0n1"],
  [{ vdevs: [vdev("raidz1", "sda", "sdb", "sdc")] }, "raidz1 sda sdb sdc"],
  [{ vdevs: [vdev("raidz2", "sda", "sdb", "sdc")] }, "raidz2 sda sdb sdc"],
  [{ vdevs: [vdev("raidz3", "sda", "sdb", "sdc", "sdd")] }, "raidz3 sda sdb sdc sdd"],
  [{ vdevs: [disk("sda"), disk("/var/tmp/disk.img")] }, "sda /var/tmp/disk.img"],
  [
    {
      cache: [disk("sdh"), disk("sdg")],
      logs: [disk("sdf"), disk("sde")],
      spares: [disk("sdd"), disk("sdc")],
      vdevs: [vdev("mirror", "sdb", "sda")],
    },
    "mirror sdb sda spare sdd sdc log sdf sde cache sdh sdg",
  ],
  [{ vdevs: [disk("sda")], spares: [], logs: [], cache: [] }, "sda"],
];

test("zpool gets vdevs, spares, logs and cache in the file's order, and -f before the pool", async () => {
  for (const [json, argv] of pools) {
    for (const [args, before] of [
      [["zones", "pool.json"], ""],
      [["-f", "zones", "pool.json"], "-f "],
    ] as const) {
      await using node = await FakeNode.create(json);
      assert.equal(await node.run(args), { status: 0, stdout: "", stderr: "" }, argv);
      assert.equal(await node.commands(), [`zpool create ${before}zones ${argv}`]);
    }
  }
});

test("disklayout's output, byte for byte, is a description of a pool", async () => {
  await using node = await FakeNode.create("");
  const lines = ["sda", "sdb", "sdc"].map((name) => `SATA\t${name}\tATA\tDISK\t1000000000000\tno\tno\n`);
  await writeFile(node.path("disks"), lines.join(""));
  const args = [join(proto, "bin/disklayout"), "-f", node.path("disks"), "mirror"];
  await writeFile(node.path("pool.json"), execFileSync(process.execPath, args));
  assert.is((await node.run(["zones", "pool.json"])).status, 0);
  assert.equal(await node.commands(), ["zpool create zones mirror sda sdb spare sdc"]);
});

test("-B fails without zpool, so that joysetup goes on without it", async () => {
  await using node = await FakeNode.create(mirror);
  const { status, stdout } = await node.run(["-B", "-f", "zones", "pool.json"]);
  assert.is(status, 1);
  assert.is(
    stdout,
    "fatal error: pool creation failed: -B: OpenZFS on Linux does not make an EFI system partition; try: mkzpool without -B\n",
  );
  assert.equal(await node.commands(), []);
  assert.is((await node.run(["-f", "zones", "pool.json"])).status, 0);
});

const encrypted = "-O encryption=on -O keyformat=passphrase -O keylocation=prompt";

test("-e encrypts with the first line of standard input", async () => {
  await using node = await FakeNode.create(mirror);
  assert.equal(await node.run(["-ef", "zones", "pool.json"], "correct horse\nnot this\n"), {
    status: 0,
    stdout: "",
    stderr: "",
  });
  assert.equal(await node.commands(), [`zpool create -f ${encrypted} zones mirror sda sdb`]);
});

test("-e fails without a passphrase and with one that zpool refuses, and creates no pool without a key", async () => {
  await using node = await FakeNode.create(mirror);
  const none = await node.run(["-e", "zones", "pool.json"]);
  assert.is(
    none.stdout,
    "fatal error: pool creation failed: -e needs a passphrase on standard input; this image keeps no keys\n",
  );
  assert.equal([none.status, await node.commands()], [1, []]);
  const short = await node.run(["-e", "zones", "pool.json"], "short\n");
  assert.equal([short.status, short.stdout], [1, "fatal error: pool creation failed: Passphrase too short (min 8).\n"]);
  assert.is((await node.run(["-e", "zones", "pool.json"], "long enough")).status, 0, "without a line feed");
});

test("an input that stays open and silent, as setup's is, ends the wait for a passphrase", async () => {
  const input = new PassThrough();
  try {
    await readPassphrase(input, 50);
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /^-e needs a passphrase/);
  }
  const late = new PassThrough();
  setTimeout(() => late.write("in two "), 10);
  setTimeout(() => late.write("parts\n"), 20);
  assert.is(await readPassphrase(late, LIMIT_MS), "in two parts\n");
});

test("a disk with the label of another pool needs -f; zpool's reason is one line", async () => {
  await using node = await FakeNode.create(mirror, { sdb: "tank" });
  const refused = await node.run(["zones", "pool.json"]);
  assert.equal(refused, {
    status: 1,
    stdout:
      "fatal error: pool creation failed: invalid vdev specification; use '-f' to override the following errors:; " +
      "/dev/sdb1 is part of potentially active pool 'tank'\n",
    stderr: "",
  });
  assert.is((await node.run(["-f", "zones", "pool.json"])).status, 0);
});

test("a second run after a complete one fails, and leaves the pool alone", async () => {
  await using node = await FakeNode.create(mirror);
  assert.is((await node.run(["-f", "zones", "pool.json"])).status, 0);
  const again = await node.run(["-f", "zones", "pool.json"]);
  assert.equal(
    [again.status, again.stdout],
    [1, "fatal error: pool creation failed: cannot create 'zones': pool already exists\n"],
  );
});

/** Makes the fake zpool wait after it has labelled the disks, and starts mkzpool. */
async function startAndHold(node: FakeNode): Promise<ChildProcess> {
  execFileSync("mkfifo", [node.path("zfs/hold")]);
  const child = node.start("zones", "pool.json");
  child.stdin?.end();
  assert.is(await contentOf(node.path("zfs/label-sdb")), "zones\n");
  return child;
}

/** The text of a file as soon as it has one. */
async function contentOf(path: string): Promise<string> {
  for (const deadline = performance.now() + LIMIT_MS; performance.now() < deadline; await sleep(20)) {
    const text = await readFile(path, "utf8").catch(() => "");
    if (text !== "") return text;
  }
  throw new Error(`nothing was written to ${path} in ${LIMIT_MS} ms`);
}
const release = async (node: FakeNode): Promise<void> => await writeFile(node.path("zfs/hold"), "go\n");

test("an interrupted mkzpool waits for zpool: the pool is complete, and the status says that it was interrupted", async () => {
  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    await using node = await FakeNode.create(mirror);
    const child = await startAndHold(node);
    const warned = new Promise((resolve) => child.stderr?.once("data", resolve));
    const end = ended(child);
    child.kill(signal);
    await warned;
    await release(node);
    assert.equal(await end, {
      status,
      stdout: "",
      stderr:
        "mkzpool: waiting for zpool to finish; interrupt again to leave it alone\n" +
        `mkzpool: pool zones is created; interrupted by ${signal}\n`,
    });
    assert.is(await readFile(node.path("zfs/2001/name"), "utf8"), "zones\n");
  }
});

test("a second interrupt ends mkzpool while zpool goes on", async () => {
  await using node = await FakeNode.create(mirror);
  const child = await startAndHold(node);
  const warned = new Promise((resolve) => child.stderr?.once("data", resolve));
  const exited = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
  child.kill("SIGINT");
  await warned;
  child.kill("SIGINT");
  assert.is(await exited, "SIGINT");
  await release(node);
  assert.is(await contentOf(node.path("zfs/2001/name")), "zones\n");
});

test("disks that an interrupted zpool left labelled but without a pool are taken again with -f", async () => {
  await using node = await FakeNode.create(mirror, { sda: "zones", sdb: "zones" });
  const refused = await node.run(["zones", "pool.json"]);
  assert.match(refused.stdout, /^fatal error: pool creation failed: .*part of potentially active pool 'zones'\n$/);
  assert.is((await node.run(["-f", "zones", "pool.json"])).status, 0);
});

test("a missing zpool is an error that names it", async () => {
  await using node = await FakeNode.create(mirror);
  await writeFile(node.path("bin/zpool"), "#!/no/such/shell\n");
  const { status, stdout } = await node.run(["zones", "pool.json"]);
  assert.equal([status, stdout], [1, "fatal error: pool creation failed: cannot run zpool (ENOENT)\n"]);
});

/** Text of the file → what is wrong with it. */
const badFiles: readonly (readonly [json: unknown, reason: string])[] = [
  ["", "it is not a JSON object"],
  ["fatal error: no primary storage disks available\n", "it is not a JSON object"],
  ["null", "it is not a JSON object"],
  [[], "it has no vdevs"],
  [{}, "it has no vdevs"],
  [{ vdevs: [] }, "it has no vdevs"],
  [{ vdevs: {} }, "it has no vdevs"],
  [{ vdevs: [null] }, "vdevs[0] has no usable name: undefined"],
  [{ vdevs: [{ name: "" }] }, 'vdevs[0] has no usable name: ""'],
  [{ vdevs: [disk("-n")] }, 'vdevs[0] has no usable name: "-n"'],
  [{ vdevs: [disk("sda"), disk("mirror")] }, 'vdevs[1] has no usable name: "mirror"'],
  [{ vdevs: [disk("raidz2")] }, 'vdevs[0] has no usable name: "raidz2"'],
  [{ vdevs: [disk("draid1:2d")] }, 'vdevs[0] has no usable name: "draid1:2d"'],
  [{ vdevs: [disk("sda"), disk("sd b")] }, 'vdevs[1] has no usable name: "sd b"'],
  [{ vdevs: [vdev("stripe", "sda", "sdb")] }, 'vdevs[0] has the unknown type "stripe"'],
  [{ vdevs: [{ devices: [disk("sda")] }] }, "vdevs[0] has the unknown type undefined"],
  [{ vdevs: [{ type: "mirror" }] }, "vdevs[0].devices is not a list of disks"],
  [{ vdevs: [vdev("mirror", "sda")] }, "vdevs[0] is a mirror of 1; it needs at least 2 disks"],
  [{ vdevs: [vdev("raidz2", "sda", "sdb")] }, "vdevs[0] is a raidz2 of 2; it needs at least 3 disks"],
  [{ vdevs: [vdev("raidz3", "a", "b", "c")] }, "vdevs[0] is a raidz3 of 3; it needs at least 4 disks"],
  [{ vdevs: [vdev("mirror", "sda", "sda")] }, "sda occurs twice, the second time as vdevs[0].devices[1]"],
  [{ ...mirror, cache: [disk("sda")] }, "sda occurs twice, the second time as cache[0]"],
  [{ ...mirror, spares: disk("sdc") }, "spares is not a list of disks"],
  [{ ...mirror, logs: ["sdc"] }, "logs[0] has no usable name: undefined"],
];

test("a file that describes no pool is refused before zpool runs, with the place of the error", async () => {
  for (const [json, reason] of badFiles) {
    await using node = await FakeNode.create(json);
    const { status, stdout } = await node.run(["-f", "zones", "pool.json"]);
    assert.is(stdout, `fatal error: pool creation failed: pool.json: ${reason}; try: disklayout >pool.json\n`);
    assert.equal([status, await node.commands()], [1, []]);
  }
});

test("wrong arguments and a missing file are errors on one line of standard output", async () => {
  await using node = await FakeNode.create(mirror);
  for (const [args, expected, code] of [
    [[], "a pool and a file are needed; try: mkzpool -h", 2],
    [["zones"], "a pool and a file are needed; try: mkzpool -h", 2],
    [["zones", "pool.json", "more"], "a pool and a file are needed; try: mkzpool -h", 2],
    [["-x", "zones", "pool.json"], "Unknown option '-x'; try: mkzpool -h", 2],
    [["zones", "gone.json"], "pool creation failed: cannot read gone.json (ENOENT); try: disklayout >gone.json", 1],
  ] as const) {
    const { status, stdout } = await node.run(args);
    assert.equal([stdout, status], [`fatal error: ${expected}\n`, code], args.join(" "));
  }
  assert.equal(await node.commands(), []);
  const help = await node.run(["-h"]);
  assert.equal([help.status, /^usage: mkzpool /.test(help.stdout)], [0, true]);
});

test.run();

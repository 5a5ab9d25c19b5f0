/** disklayout: the layout of a pool for an inventory of disks, and the command that prints it. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { type Disk, type Layout, type LayoutRequest, randomInventories } from "../../fixtures/disk-inventories.js";

const proto = join(findProjectRoot(), "proto/usr/triton");
const { layOut } = (await import(join(proto, "lib/disklayout/layout.mjs"))) as {
  layOut: (disks: readonly Disk[], request?: LayoutRequest) => Layout;
};
const { parseDisks } = (await import(join(proto, "lib/disklayout/disk-file.mjs"))) as {
  parseDisks: (text: string, source: string) => Disk[];
};
const { sizeClass } = (await import(join(proto, "lib/disklayout/size-class.mjs"))) as {
  sizeClass: (bytes: number) => number;
};
const { parsePool } = (await import(join(proto, "lib/mkzpool/pool-file.mjs"))) as {
  parsePool: (text: string, source: string) => unknown;
};
const { isMounted } = (await import(join(proto, "lib/disklayout/mount-table.mjs"))) as {
  isMounted: (table: string) => (name: string) => boolean;
};

const test = suite("proto: disklayout");

/** A line of an inventory file. */
const line = ({ type, name, vid, pid, size, removable, solid_state }: Disk): string =>
  [type, name, vid, pid, size, removable ? "yes" : "no", solid_state ? "yes" : "no"].join("\t");

/** `count` disks of one kind, named by a prefix and a, b, c … */
const disksOf = (count: number, gb: number, prefix = "sd", others: Partial<Disk> = {}): Disk[] =>
  Array.from({ length: count }, (_, index) => ({
    type: "SATA",
    name: `${prefix}${String.fromCharCode(97 + index)}`,
    vid: "ATA",
    pid: "DISK",
    size: gb * 1e9,
    removable: false,
    solid_state: false,
    ...others,
  }));

const names = (disks: readonly { readonly name: string }[]): string[] => disks.map(({ name }) => name);
/** Vdevs as text, e.g. "mirror sda sdb". */
const vdevsOf = ({ vdevs }: Layout): string[] =>
  vdevs.map((vdev) => ("devices" in vdev ? [vdev.type, ...names(vdev.devices)].join(" ") : vdev.name));
const refusal = (disks: readonly Disk[], request: LayoutRequest): string => {
  try {
    layOut(disks, request);
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
};

/** What SmartOS's disklayout answers to inventories: fixtures/disklayout/answers.json. */
interface Answer {
  readonly given: LayoutRequest & { readonly disks: readonly (readonly [string, number, boolean, boolean])[] };
  readonly wanted: Readonly<Record<string, unknown>>;
}

test("every answer is that of SmartOS's disklayout", async () => {
  const text = await readFile(join(findProjectRoot(), "fixtures/disklayout/answers.json"), "utf8");
  const answers = Object.entries(JSON.parse(text) as Record<string, Answer>);
  assert.is(answers.length, 64);
  for (const [title, { given, wanted }] of answers) {
    const { disks, ...request } = given;
    const lines = disks.map(([name, size, removable, solid_state]) =>
      line({ type: "SCSI", vid: "V", pid: "P", name, size, removable, solid_state }),
    );
    const inventory = parseDisks(lines.join("\n"), title);
    if ("error" in wanted) {
      assert.is(refusal(inventory, request), wanted["error"], title);
      continue;
    }
    const { vdevs, capacity, ...roles } = layOut(inventory, request);
    const answer = {
      vdevs: vdevs.map((vdev) =>
        "devices" in vdev ? { type: vdev.type, devices: names(vdev.devices) } : { device: vdev.name },
      ),
      capacity,
      ...Object.fromEntries(Object.entries(roles).map(([role, members]) => [role, names(members)])),
    };
    assert.equal(answer, wanted, title);
  }
});

/** The disks of all roles. */
const usedDisks = ({ vdevs, spares = [], logs = [], cache = [] }: Layout): { name: string; size: number }[] => [
  ...vdevs.flatMap((vdev) => ("devices" in vdev ? vdev.devices : [vdev])),
  ...[spares, logs, cache].flat(),
];

const parities: Readonly<Record<string, number>> = { raidz: 1, raidz2: 2, raidz3: 3 };

test("in random inventories each disk has one role, the capacity is that of the data disks, and spares fit every vdev", () => {
  let laidOut = 0;
  for (const { title, disks, request } of randomInventories(3000)) {
    let layout: Layout;
    try {
      layout = layOut(disks, request);
    } catch (error) {
      assert.is((error as Error).name, "LayoutError", `${title}: ${(error as Error).stack}`);
      continue;
    }
    laidOut += 1;
    const used = usedDisks(layout);
    const byName = new Map(disks.map((disk) => [disk.name, disk]));
    assert.is(new Set(names(used)).size, used.length, `${title}: each disk once`);
    for (const { name, size } of used) {
      assert.is(byName.get(name)?.size, size, `${title}: ${name} is a disk of the inventory`);
      assert.is(byName.get(name)?.removable, false, `${title}: ${name}`);
    }
    let capacity = 0;
    let largest = 0;
    for (const vdev of layout.vdevs) {
      const members = "devices" in vdev ? vdev.devices : [vdev];
      const smallest = Math.min(...members.map(({ size }) => size));
      largest = Math.max(largest, ...members.map(({ size }) => size));
      const parity = "devices" in vdev ? parities[vdev.type] : 0;
      capacity += smallest * (parity === undefined ? 1 : members.length - parity);
      if ("devices" in vdev && request.width !== undefined) assert.is(members.length, request.width, title);
    }
    assert.is(layout.capacity, capacity, `${title}: capacity`);
    for (const spare of layout.spares ?? []) assert.ok(spare.size >= largest, `${title}: spare ${spare.name}`);
    if (request.spares !== undefined) assert.is(layout.spares?.length ?? 0, request.spares, title);
    if (request.cache === false) assert.is(layout.cache, undefined, title);
  }
  assert.ok(laidOut > 1000, `${laidOut} inventories have a layout`);
});

test("without a request every usable inventory has a layout that mkzpool takes, uses every disk, and is redundant with two disks or more in one group", () => {
  for (const { title, disks } of randomInventories(1500)) {
    const usable = disks.filter(({ removable, size }) => !removable && size >= 0.5e9);
    if (usable.length === 0) continue;
    const layout = layOut(disks);
    parsePool(JSON.stringify(layout), title);
    const used = usedDisks(layout).length;
    assert.is(used, usable.length, `${title}: every disk has a role`);
    if (!layout.logs && !layout.cache && usable.length > 1) assert.ok("devices" in (layout.vdevs[0] ?? {}), title);
  }
});

test("the order of the inventory does not matter if its sizes are far apart", () => {
  const disks = [...disksOf(7, 4000), ...disksOf(3, 1000, "se"), ...disksOf(6, 400, "nv", { solid_state: true })];
  const expected = layOut(disks);
  assert.equal(layOut(disks.toReversed()), expected);
  assert.equal(layOut([...disks.slice(9), ...disks.slice(0, 9)]), expected);
});

/** Size in GB → advertised size in GB, as SmartOS's program rounds it. */
const advertised: readonly (readonly [gb: number, advertised: number])[] = [
  [0, 0],
  [0.499, 0],
  [0.5, 1],
  [1.04, 1],
  [4.5, 4.5],
  [13.5, 14],
  [32.01, 32],
  [256.06, 260],
  [480.1, 480],
  [512.1, 500],
  [1024.2, 1000],
  [3840.8, 3840],
  [7681.5, 7682],
  [18000.2, 18000],
];

test("a disk's size is rounded to the one under which it is sold", () => {
  for (const [gb, expected] of advertised) assert.is(sizeClass(gb * 1e9), expected, `${gb} GB`);
});

test("disks that vendors sell under one size are one group, whatever their bus; smaller ones make the capacity", () => {
  const disks = [
    ...disksOf(2, 1000.2),
    ...disksOf(1, 1024, "nv", { type: "NVME" }),
    ...disksOf(1, 960, "vd", { type: "UNKNOWN" }),
  ];
  const layout = layOut(disks);
  assert.equal(vdevsOf(layout), ["raidz vda sda sdb nva"]);
  assert.is(layout.capacity, 3 * 960e9);
  const apart = layOut([...disksOf(2, 1000), ...disksOf(2, 1200, "se")]);
  assert.equal([vdevsOf(apart), names(apart.cache ?? [])], [["mirror sea seb"], ["sda", "sdb"]]);
});

test("disks of very different size are never in one vdev", () => {
  const layout = layOut([...disksOf(1, 20_000), ...disksOf(2, 2, "sm"), ...disksOf(1, 500, "se")]);
  assert.equal(vdevsOf(layout), ["sda"]);
  assert.equal(names(layout.cache ?? []), ["sma", "smb", "sea"]);
});

test("an all-flash machine stores on the largest disks; fewer than five of the smallest become logs, even without cache", () => {
  const flash = { solid_state: true };
  const disks = [...disksOf(4, 1600, "nv", flash), ...disksOf(4, 100, "sl", flash), ...disksOf(2, 400, "sc", flash)];
  for (const [cache, cached] of [
    [true, ["sca", "scb"]],
    [false, []],
  ] as const) {
    const layout = layOut(disks, { cache });
    assert.equal(vdevsOf(layout), ["raidz nva nvb nvc nvd"]);
    assert.equal([names(layout.logs ?? []), names(layout.cache ?? [])], [["sla", "slb", "slc", "sld"], cached]);
  }
  const five = layOut([...disksOf(2, 1600, "nv", flash), ...disksOf(5, 100, "sl", flash)]);
  assert.equal([five.logs, five.cache?.length], [undefined, 5]);
});

/** Number of disks of 1 TB, request → vdevs and spares, or an error. */
const requests: readonly (readonly [
  count: number,
  request: LayoutRequest,
  vdevs: string[] | string,
  spares?: string,
])[] = [
  [6, { layout: "mirror", width: 3 }, ["mirror sda sdb sdc", "mirror sdd sde sdf"]],
  [7, { layout: "mirror", width: 3 }, ["mirror sda sdb sdc", "mirror sdd sde sdf"], "sdg"],
  [8, { layout: "mirror", width: 3, spares: 1 }, ["mirror sda sdb sdc", "mirror sdd sde sdf"], "sdh"],
  [4, { layout: "mirror", width: 5 }, "5 is an invalid width for mirroring and 4 disks"],
  [4, { layout: "mirror", width: 3, spares: 2 }, "3 is an invalid width for mirroring and 2 disks"],
  [7, { width: 2 }, ["mirror sda sdb", "mirror sdc sdd", "mirror sde sdf"], "sdg"],
  [9, { width: 4 }, ["raidz sda sdb sdc sdd", "raidz sde sdf sdg sdh"], "sdi"],
  [9, { layout: "raidz1", width: 4, spares: 0 }, ["raidz sda sdb sdc sdd", "raidz sde sdf sdg sdh"]],
  [9, { layout: "raidz1", width: 5, spares: 5 }, "5 is an invalid width for raidz and 5 spares"],
  [9, { width: 9 }, ["raidz2 sda sdb sdc sdd sde sdf sdg sdh sdi"]],
  [9, { layout: "raidz2", width: 4 }, "4 is an invalid width for raidz2 and 9 disks (min: 7, default max: 12)"],
  [14, { width: 13 }, ["raidz3 sda sdb sdc sdd sde sdf sdg sdh sdi sdj sdk sdl sdm"], "sdn"],
  [5, { layout: "raidz3", width: 4 }, "4 is an invalid width for raidz3 and 5 disks (min: 9, default max: 20)"],
  [7, { layout: "raidz3" }, ["raidz3 sda sdb sdc sdd sde sdf sdg"]],
  [14, { layout: "raidz3" }, ["raidz3 sda sdb sdc sdd sde sdf sdg sdh sdi sdj sdk sdl sdm sdn"]],
  [6, { layout: "raidz2" }, ["raidz2 sda sdb sdc sdd sde sdf"]],
  [6, { layout: "raidz2", spares: 1 }, "no acceptable raidz2 layout is possible with 6 disks"],
  [8, { layout: "raidz3" }, ["raidz3 sda sdb sdc sdd sde sdf sdg sdh"]],
  // 13 or 14 disks cannot be divided into stripes of 3 to 6.
  [14, { layout: "raidz1", spares: 1 }, "no acceptable raidz layout is possible with 14 disks and 1 spare"],
  [16, { layout: "raidz1", spares: 2 }, "no acceptable raidz layout is possible with 16 disks and 2 spares"],
  [4, { layout: "single", spares: 1 }, "spares are not allowed for a single disk pool"],
  [4, { layout: "mirror", spares: 3 }, "too many spares (3) for this disk configuration"],
  [4, { layout: "constructor" }, "unknown layout constructor"],
  [0, { layout: "nonsense" }, "no primary storage disks available"],
];

test("a request is met exactly, or refused with the reason", () => {
  for (const [count, request, expected, spares] of requests) {
    const title = `${count} disks, ${JSON.stringify(request)}`;
    if (typeof expected === "string") {
      assert.is(refusal(disksOf(count, 1000), request), expected, title);
    } else {
      const layout = layOut(disksOf(count, 1000), request);
      assert.equal([vdevsOf(layout), names(layout.spares ?? []).join()], [expected, spares ?? ""], title);
    }
  }
});

test("mirrors have a spare for each 16 disks, and disks above 1.5 TB are in mirrors only up to seven", () => {
  for (const [count, spares] of [
    [16, 2],
    [32, 2],
    [33, 3],
  ] as const) {
    assert.is(layOut(disksOf(count, 1000), { layout: "mirror" }).spares?.length, spares, `${count} disks`);
  }
  const types = (count: number, gb: number): string[] =>
    vdevsOf(layOut(disksOf(count, gb))).map((text) => text.slice(0, 6));
  assert.equal(types(7, 4000), ["mirror", "mirror", "mirror"]);
  assert.equal(types(8, 4000), ["raidz2"]);
  assert.equal(types(8, 1400), ["mirror", "mirror", "mirror"]);
});

test("spinning and solid-state disks of one size are two groups", () => {
  const layout = layOut([...disksOf(2, 960), ...disksOf(2, 960, "nv", { solid_state: true })]);
  assert.equal([vdevsOf(layout), names(layout.logs ?? [])], [["mirror sda sdb"], ["nva", "nvb"]]);
});

test("the mount table's disks are found by whole names and partitions", () => {
  const mounted = isMounted(
    "/dev/sda1 / ext4 rw 0 0\n/dev/nvme0n1p2 /x xfs rw 0 0\n/dev/vdb /y ext4 rw 0 0\ntmpfs /t tmpfs rw 0 0\n",
  );
  for (const name of ["sda", "nvme0n1", "vdb"]) assert.ok(mounted(name), name);
  for (const name of ["sd", "sdaa", "nvme0n", "nvme0n2", "vd", "sdb", "tmpfs"]) assert.not(mounted(name), name);
});

/** Runs the command on a file of disks, and returns its exit status and output. */
async function disklayout(
  text: string,
  ...args: string[]
): Promise<{ status: number; stdout: string; stderr: string }> {
  await using folder = await TempDir.create("disklayout");
  const file = join(folder.path, "disks");
  await writeFile(file, text);
  const all = [join(proto, "bin/disklayout"), ...args.map((arg) => arg.replace("FILE", file))];
  return await new Promise((resolve) => {
    execFile(process.execPath, all, { timeout: 30_000 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : Number(error.code);
      resolve({ status, stdout: stdout.replaceAll(file, "FILE"), stderr });
    });
  });
}

test("the command prints JSON with numbers, and takes options joined with their values, as joysetup passes them", async () => {
  const text = disksOf(8, 1000).map(line).join("\r\n");
  for (const args of [
    ["-f", "FILE", "-s", "1", "-w", "2", "-e", "SDA,/dev/sdh", "mirror"],
    ["-f FILE", "-s 1", "-w 2", "-e sda, sdh", " mirror "],
    ["-cfFILE", "-s1", "-w2", "-esda,sdh,", "mirror"],
  ]) {
    const { status, stdout, stderr } = await disklayout(text, ...args);
    assert.equal([status, stderr], [0, ""], args.join(" "));
    const layout = JSON.parse(stdout) as Layout;
    assert.equal(vdevsOf(layout), ["mirror sdb sdc", "mirror sdd sde"]);
    assert.equal(Object.keys(layout), ["vdevs", "capacity", "spares"]);
    assert.is(layout.capacity, 2e12);
    assert.equal(layout.spares, [{ name: "sdg", vid: "ATA", pid: "DISK", size: 1e12, solid_state: false }]);
  }
});

test("-e warns of a name that is no disk, and an empty layout counts as none", async () => {
  const { status, stdout, stderr } = await disklayout(disksOf(2, 1000).map(line).join("\n"), "-fFILE", "-e", "sdz", "");
  assert.is(stderr, "disklayout: -e sdz: no such disk is free\n");
  assert.equal([status, vdevsOf(JSON.parse(stdout) as Layout)], [0, ["mirror sda sdb"]]);
});

const sda = "SATA\tsda\tATA\tDISK\t1000000000000\tno\tno";
/** Text of the file → what is wrong with it. */
const badFiles: readonly (readonly [text: string, reason: string])[] = [
  [`${sda}\n\nSATA\tsdb\tATA\tDISK\t1000\tno\n`, "line 3: 6 fields instead of 7"],
  [`${sda}\textra`, "line 1: 8 fields instead of 7"],
  ["TYPE DISK VID PID SIZE RMV SSD", "line 1: 1 fields instead of 7"],
  [sda.replace("1000000000000", "1TB"), 'line 1: size "1TB" is not a number of bytes'],
  [sda.replace("1000000000000", "-5"), 'line 1: size "-5" is not a number of bytes'],
  [sda.replace("1000000000000", "9".repeat(50)), `line 1: size "${"9".repeat(40)}…" is not a number of bytes`],
  [sda.replace(/no$/, "maybe"), 'line 1: solid state is "maybe" instead of yes or no'],
  [sda.replace("no\t", "\t"), 'line 1: removable is "" instead of yes or no'],
  [`${sda}\n${sda}`, "line 2: disk sda occurs twice"],
  [sda.replace("sda", ""), 'line 1: "" is not the name of a disk'],
  [sda.replace("sda", "-f"), 'line 1: "-f" is not the name of a disk'],
];

test("a bad line of the file is an error on one line of standard output, with file, line and the right form", async () => {
  for (const [text, reason] of badFiles) {
    const { status, stdout } = await disklayout(text, "-f", "FILE");
    const form = "type, name, vendor, product, bytes, removable (yes or no), solid state (yes or no)";
    assert.is(stdout, `fatal error: FILE ${reason}; a line has, between tabs: ${form}\n`);
    assert.is(status, 1);
  }
});

test("no usable disk and wrong arguments are errors on one line of standard output", async () => {
  const removable = sda.replace("no\tno", "yes\tno");
  for (const [text, args, expected, code] of [
    ["", ["-f", "FILE"], "no primary storage disks available", 1],
    [removable, ["-f", "FILE"], "no primary storage disks available", 1],
    [sda, ["-f", "FILE", "-e", "sda"], "no primary storage disks available", 1],
    [sda, ["-f", "FILE", "raidz9"], "unknown layout raidz9", 1],
    [sda, ["-f", "FILE.gone"], "cannot read FILE.gone (ENOENT)", 1],
    [sda, ["-x"], "Unknown option '-x'; try: disklayout -h", 2],
    [sda, ["-s"], "Option '-s, --s <value>' argument missing; try: disklayout -h", 2],
    [sda, ["-s", "x"], 'invalid number of spares "x": it is a whole number, at least 0; try: disklayout -h', 2],
    [sda, ["-s", ""], 'invalid number of spares "": it is a whole number, at least 0; try: disklayout -h', 2],
    [sda, ["-s1.5"], 'invalid number of spares "1.5": it is a whole number, at least 0; try: disklayout -h', 2],
    [sda, ["-w", "1"], 'invalid width "1": it is a whole number, at least 2; try: disklayout -h', 2],
    [sda, ["mirror", "raidz1"], "more than one layout: mirror raidz1; try: disklayout -h", 2],
  ] as const) {
    const { status, stdout } = await disklayout(text, ...args);
    assert.equal([stdout, status], [`fatal error: ${expected}\n`, code], args.join(" "));
  }
  const help = await disklayout("", "-h");
  assert.equal([help.status, /^usage: disklayout /.test(help.stdout)], [0, true]);
});

test.run();

import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cpuQuota, freeMemoryBytes, memoryBytes, processors, smallerMemory } from "./host-capacity.js";
import { TempDir } from "./temp-dir.js";

const test = suite("host capacity");
const GIB = 2 ** 30;

test("a control group's memory limit counts if it is below the host's memory", () => {
  assert.is(smallerMemory(64 * GIB, 2 * GIB), 2 * GIB);
  assert.is(smallerMemory(2 * GIB, 64 * GIB), 2 * GIB);
  assert.is(smallerMemory(2 * GIB, 0), 2 * GIB);
  assert.is(smallerMemory(2 * GIB, 2 ** 64), 2 * GIB);
});

test("this process has some memory and processors, and no more than the host", () => {
  assert.ok(memoryBytes() > 0 && memoryBytes() <= totalmem());
  assert.ok(freeMemoryBytes() > 0 && freeMemoryBytes() <= totalmem());
  assert.ok(processors() >= 1 && processors() <= availableParallelism());
});

/** The kernel's files for a process in /a/b. */
async function quotaWith(cgroup: string, limits: Readonly<Record<string, string>>): Promise<number> {
  await using dir = await TempDir.create("cgroup");
  const [proc, cgroups] = [join(dir.path, "proc"), join(dir.path, "cgroup")];
  await mkdir(join(proc, "self"), { recursive: true });
  await mkdir(join(cgroups, "a/b"), { recursive: true });
  await writeFile(join(proc, "self/cgroup"), cgroup);
  for (const [group, limit] of Object.entries(limits)) await writeFile(join(cgroups, group, "cpu.max"), limit);
  return cpuQuota(proc, cgroups);
}

test("the smallest CPU quota of a control group and its parents counts", async () => {
  assert.is(await quotaWith("0::/a/b\n", { "a/b": "max 100000\n", a: "150000 100000\n" }), 1.5);
  assert.is(await quotaWith("0::/a/b\n", { "a/b": "50000 100000\n", a: "150000 100000\n" }), 0.5);
  assert.is(await quotaWith("0::/\n", { "": "400000 100000\n" }), 4);
});

test("cpuQuota() is infinite without a quota, without cgroup v2 and without readable files", async () => {
  assert.is(await quotaWith("0::/a/b\n", { "a/b": "max 100000\n" }), Number.POSITIVE_INFINITY);
  assert.is(await quotaWith("3:cpu:/a/b\n", { "a/b": "50000 100000\n" }), Number.POSITIVE_INFINITY);
  assert.is(cpuQuota("/dev/null/proc", "/dev/null/cgroup"), Number.POSITIVE_INFINITY);
});

test.run();

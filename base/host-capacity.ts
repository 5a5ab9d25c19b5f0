/**
 * Memory and processors that this process may use: the host's, or less where a control group limits it (containers, systemd).
 * Sources: Node's process.constrainedMemory() and process.availableMemory(); Linux Documentation/admin-guide/cgroup-v2.rst
 * ("cpu.max"), proc_pid_cgroup(5).
 */
import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { dirname, join } from "node:path";

/** All memory, in bytes. */
export const memoryBytes = (): number => smallerMemory(totalmem(), process.constrainedMemory());

/** Memory that is free, or can be freed, in bytes. */
export const freeMemoryBytes = (): number => process.availableMemory();

/** @param limitBytes 0 when unknown; a huge number when nothing limits the process */
export const smallerMemory = (hostBytes: number, limitBytes: number): number =>
  limitBytes > 0 ? Math.min(hostBytes, limitBytes) : hostBytes;

/** Number of processors, at least 1; a fraction is rounded up. */
export const processors = (): number => Math.max(1, Math.min(availableParallelism(), Math.ceil(cpuQuota())));

/**
 * Returns the smallest CPU quota of the process's control group and its parents, in processors; Infinity without a
 * quota or without cgroup v2.
 * @param proc mount point of procfs @param cgroups mount point of the cgroup file system. @default "/proc" and "/sys/fs/cgroup"
 */
export function cpuQuota(proc = "/proc", cgroups = "/sys/fs/cgroup"): number {
  const group = /^0::(\/.*)$/m.exec(readIfThere(join(proc, "self/cgroup")))?.[1];
  if (group === undefined) return Number.POSITIVE_INFINITY;
  let quota = Number.POSITIVE_INFINITY;
  for (let path = group; ; path = dirname(path)) {
    const [, max, period] = /^(\d+) (\d+)$/m.exec(readIfThere(join(cgroups, path, "cpu.max"))) ?? [];
    if (Number(period) > 0) quota = Math.min(quota, Number(max) / Number(period));
    if (path === dirname(path)) return quota;
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

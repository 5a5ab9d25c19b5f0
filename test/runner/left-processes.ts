/**
 * Finds what a test left running: processes of its group, and those that left the group but still carry its temp folder
 * in their arguments or environment, as a QEMU does whose sockets are there.
 * Source: proc(5), /proc/pid/stat fields 3 (state) and 5 (pgrp).
 */
import { readdirSync, readFileSync } from "node:fs";

export interface LeftProcess {
  readonly pid: number;
  readonly command: string;
}

/**
 * @param group process group of the test
 * @param tempDir folder that belongs to the test alone
 */
export function leftProcesses(group: number, tempDir: string): readonly LeftProcess[] {
  return readdirSync("/proc").flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    const stat = read(pid, "stat");
    // The command in parentheses may hold anything, so fields are counted from the last closing one.
    const [state, , pgrp] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (stat === "" || state === "Z") return []; // gone, or dead and waiting for init
    const command = read(pid, "cmdline").replaceAll("\0", " ").trim();
    const isLeft = Number(pgrp) === group || command.includes(tempDir) || read(pid, "environ").includes(tempDir);
    return isLeft ? [{ pid, command }] : [];
  });
}

/** Empty when the process has gone, or is another user's. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return "";
  }
}

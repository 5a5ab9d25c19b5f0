/**
 * Finds processes that a test left running: those of its group, and those that left the group but have its temp folder
 * in their arguments or environment, such as a QEMU with sockets there.
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
    // The command in parentheses may contain any character, so fields are counted from the last closing parenthesis.
    const [state, , pgrp] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (stat === "" || state === "Z") return []; // gone, or a zombie
    const command = read(pid, "cmdline").replaceAll("\0", " ").trim();
    const isLeft = Number(pgrp) === group || command.includes(tempDir) || read(pid, "environ").includes(tempDir);
    return isLeft ? [{ pid, command }] : [];
  });
}

/** Empty if the process has ended, or belongs to another user. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return "";
  }
}

/**
 * The rules for a platform archive: the documented layout, a form that every tar reads, and the requirements of Triton's
 * installer (`sdcadm platform install`), which checks the file's name and the top folder, but no file in it.
 */
import { basename } from "node:path";
import { parseStamp } from "../profile/stamp.js";
import { type FileFacts, readFacts } from "./file-facts.js";
import { gunzip, gzipFile } from "./gunzip.js";
import {
  hashViolations,
  type ImageSummary,
  imageFiles,
  imageViolations,
  isReadWhole,
  isUnreadable,
} from "./image-rules.js";
import { readUstar, type UstarHeader } from "./ustar-stream.js";
import type { Complain, Violation } from "./violation.js";

export interface ArchiveReport {
  readonly violations: readonly Violation[];
  /** Why the installer would refuse the archive, or undefined if it would accept it. */
  readonly refusal: string | undefined;
  /** The files of x86_64/ by name. */
  readonly files: ReadonlyMap<string, FileFacts>;
  readonly stamp: string | undefined;
  readonly summary: ImageSummary;
}

const versionFiles = ["gitstatus", "os-release", "platform"];
/** Every path below the top folder; "" is that folder. */
const layout = new Set([
  "",
  "etc",
  "etc/version",
  "x86_64",
  ...versionFiles.map((name) => `etc/version/${name}`),
  ...imageFiles.map((name) => `x86_64/${name}`),
]);

/**
 * The stamp that the installer finds in a file name: the part "2…Z" between the last "-" and ".tgz", in capitals.
 * @returns undefined if the name has no stamp
 */
export function installerStamp(name: string): string | undefined {
  const stamp = /^platform-(?:.*-)?(2\d*T\d*Z)\.tgz$/i.exec(name)?.[1]?.toUpperCase();
  try {
    return stamp === undefined ? undefined : parseStamp(stamp);
  } catch {
    return undefined;
  }
}

/** Checks an archive against all rules. @throws AbortError if the signal is aborted */
export async function verifyArchive(path: string, signal?: AbortSignal): Promise<ArchiveReport> {
  const name = basename(path);
  const violations: Violation[] = [];
  const about =
    (member: string | undefined): Complain =>
    (rule, found) => {
      violations.push({ file: member === undefined ? name : `${name}: ${member}`, rule, found });
    };
  const complain = about(undefined);
  const placeOf = (file: string): string => `${name}: x86_64/${file}`;
  const nameStamp = installerStamp(name);
  if (name !== "platform.tgz" && nameStamp === undefined) {
    complain(
      "its name is platform.tgz, or platform-<stamp>.tgz as the installer requires",
      "the installer finds no stamp in this name",
    );
  }

  const members = new Map<string, FileFacts | undefined>();
  const tops = new Set<string>();
  const times = new Set<number>();
  await using source = await gzipFile(path, signal);
  try {
    for await (const { header, content } of readUstar(gunzip(source, complain))) {
      const [top = "", ...rest] = header.name.replace(/\/$/, "").split("/");
      const inside = rest.join("/");
      tops.add(top);
      times.add(header.mtime);
      headerRules(header, about(header.name));
      if (members.has(inside)) about(header.name)("every path is in the archive once", "it is in the archive twice");
      if (!layout.has(inside))
        about(header.name)("the archive contains only the documented layout", "it is not part of the layout");
      const isVersion = inside.startsWith("etc/version/");
      members.set(
        inside,
        header.type === "5" ? undefined : await readFacts(content, isVersion || isReadWhole(rest.at(-1) ?? "")),
      );
    }
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    complain("the archive can be unpacked completely", (error as Error).message);
    violations.push(...hashViolations(filesOf(members), placeOf));
    return { violations, refusal: "it cannot be unpacked", files: new Map(), stamp: nameStamp, summary: {} };
  }
  if (times.size > 1) complain("all members have the same time", `they have ${times.size} different times`);

  const top = [...tops].join(", ");
  const wanted = name === "platform.tgz" || nameStamp === undefined ? "platform" : `platform-${nameStamp}`;
  if (top !== wanted) complain(`its one top folder is ${wanted}`, `it has ${top || "no top folder"}`);
  const stamp = versionRules(members, nameStamp, about);
  const files = filesOf(members);
  const image = await imageViolations(files, placeOf);
  return {
    violations: [...violations, ...image.violations],
    refusal: installerRefusal(nameStamp, [...tops], members),
    files,
    stamp,
    summary: image.summary,
  };
}

/** The files of x86_64/ by name. */
const filesOf = (members: ReadonlyMap<string, FileFacts | undefined>): Map<string, FileFacts> =>
  new Map(
    [...members].flatMap(([inside, facts]) =>
      facts !== undefined && inside.startsWith("x86_64/") ? [[inside.slice("x86_64/".length), facts] as const] : [],
    ),
  );

function headerRules(header: UstarHeader, complain: Complain): void {
  const { type, mode, uid, gid, userName, groupName } = header;
  if (!header.isUstar)
    complain("headers are ustar", "this one is of another tar format, which the headnode's tar may not read");
  if (type !== "0" && type !== "5") {
    complain(
      "members are files and folders",
      `this one is of type ${JSON.stringify(type)}: a link, a device, or an extension to ustar`,
    );
    return;
  }
  const wanted = type === "5" ? 0o755 : 0o644;
  if (mode !== wanted) {
    complain(
      `modes are 755 for folders and 644 for files: the booter's servers read them as the user nobody`,
      `it has ${mode.toString(8)}`,
    );
  }
  if (uid !== 0 || gid !== 0 || !["", "root"].includes(userName) || !["", "root"].includes(groupName)) {
    complain("the owner is root", `it is ${uid}:${gid} ${userName}:${groupName}`);
  }
}

/** @returns the stamp in etc/version/platform */
function versionRules(
  members: ReadonlyMap<string, FileFacts | undefined>,
  nameStamp: string | undefined,
  about: (member: string) => Complain,
): string | undefined {
  const read = (name: string): string | undefined => {
    const found = members.get(`etc/version/${name}`)?.content?.toString("utf8");
    if (found === undefined)
      about(`etc/version/${name}`)("every file of the documented layout exists", "it is missing");
    return found;
  };
  const platform = read("platform");
  const stamp = platform === undefined ? undefined : /^(\d{8}T\d{6}Z)\n$/.exec(platform)?.[1];
  if (platform !== undefined && (stamp === undefined || (nameStamp !== undefined && stamp !== nameStamp))) {
    about("etc/version/platform")(
      `it is the stamp${nameStamp === undefined ? "" : ` ${nameStamp}`} and a newline`,
      `it is ${JSON.stringify(platform.slice(0, 80))}`,
    );
  }
  const osRelease = read("os-release");
  if (osRelease !== undefined && stamp !== undefined && !osRelease.split("\n").includes(`TRITON_RELEASE="${stamp}"`)) {
    about("etc/version/os-release")(`it names release ${stamp}`, "it has no such TRITON_RELEASE");
  }
  const gitStatus = read("gitstatus");
  if (gitStatus !== undefined && !isGitStatus(gitStatus)) {
    about("etc/version/gitstatus")(
      "it is a JSON array of repositories",
      `it is ${JSON.stringify(gitStatus.slice(0, 80))}`,
    );
  }
  return stamp;
}

function isGitStatus(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return (
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((entry) => typeof entry?.repo === "string" && "rev" in entry)
    );
  } catch {
    return false;
  }
}

/** Why `sdcadm platform install` or a later step would refuse the archive; undefined if they would accept it. */
function installerRefusal(
  nameStamp: string | undefined,
  tops: readonly string[],
  members: ReadonlyMap<string, unknown>,
): string | undefined {
  if (nameStamp === undefined)
    return "its name has no stamp: the installer accepts only platform-[...-]YYYYMMDDTHHMMSSZ.tgz";
  if (tops.length !== 1 || !/^platform-./.test(tops[0] ?? "")) {
    return "it has no single top folder platform-<something>, which the installer renames to platform";
  }
  if (members.has("i86pc/kernel/amd64/unix")) return "Triton would treat it as SmartOS";
  if (!members.has("x86_64/vmlinuz")) return "without x86_64/vmlinuz Triton would not treat it as a Linux platform";
  return undefined;
}

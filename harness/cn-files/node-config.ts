/**
 * Reads node.config, and warns of every line and value that the image does not use.
 * The CN gets the bytes unchanged, even if they are broken. node-config-line.ts parses a line.
 */
import { readFile } from "node:fs/promises";
import { isIP, isIPv4, isIPv6 } from "node:net";
import { UsageError } from "../../base/livelab-error.js";
import { brokenNameLimit } from "./domain-name.js";
import type { FileWarning } from "./file-warning.js";
import { parseNodeConfigLine } from "./node-config-line.js";

export interface NodeConfigFile {
  /** The file as the caller named it. */
  readonly path: string;
  readonly bytes: Buffer;
  /** The value from the last line of each key. A key whose last line cannot be parsed has no value. */
  readonly values: ReadonlyMap<string, string>;
  /** The crypt hash of root's password, or undefined if the file sets none that the image accepts. */
  readonly rootShadow: string | undefined;
  /** The password for that hash, from the file next to this one with `.password` appended to its name, if it exists. */
  readonly rootPassword: string | undefined;
  readonly warnings: readonly FileWarning[];
}

// crypt(5): "$id$…", or the old 13-character DES hash.
const cryptHash = /^(\$[0-9a-z]+\$\S+|[./0-9A-Za-z]{13})$/;

/** Reads and checks a node.config, and its password file if it exists. @throws UsageError NODE_CONFIG_UNREADABLE */
export async function readNodeConfigFile(path: string): Promise<NodeConfigFile> {
  try {
    return parseNodeConfigFile(path, await readFile(path), await readIfThere(passwordPath(path)));
  } catch (cause) {
    throw new UsageError("NODE_CONFIG_UNREADABLE", `cannot read node.config: ${(cause as Error).message}`, {
      cause,
      hint: "pass an existing file with --node-config, e.g. fixtures/node.config",
    });
  }
}

/** Path of the password file for a node.config. */
export function passwordPath(nodeConfigPath: string): string {
  return `${nodeConfigPath}.password`;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Checks the bytes of a node.config. @param path the file's name in messages @param password content of the password file */
export function parseNodeConfigFile(path: string, bytes: Buffer, password?: string): NodeConfigFile {
  const warnings: FileWarning[] = [];
  const values = new Map<string, string>();
  for (const [index, text] of bytes.toString("utf8").split("\n").entries()) {
    const line = parseNodeConfigLine(text);
    if (line.kind === "assignment") values.set(line.key, line.value);
    if (line.kind !== "unreadable") continue;
    if (line.key !== undefined) values.delete(line.key);
    warnings.push({
      file: path,
      place: String(index + 1),
      problem: `${line.key === undefined ? "" : `${line.key} `}${line.problem}, so the image does not use it`,
      remedy: "write KEY='value', one per line (docs/node-config.md)",
    });
  }
  warnings.push(...serverWarnings(path, values));

  const given = values.get("root_shadow") || undefined;
  // /etc/shadow cannot hold a colon or a space in this field, so the image does not use such a value.
  const rootShadow = given === undefined || /[: ]/.test(given) ? undefined : given;
  if (rootShadow === undefined || !cryptHash.test(rootShadow)) {
    warnings.push({
      file: path,
      place: "root_shadow",
      problem:
        given === undefined
          ? "is missing, so root keeps the image's password, if it has one"
          : "is not a crypt hash, so root may be unable to log in",
      remedy: "add root_shadow='HASH' with the HASH that `openssl passwd -6` prints",
    });
  }
  const rootPassword = rootShadow === undefined ? undefined : password?.replace(/\r?\n$/, "");
  return { path, bytes, values, rootShadow, rootPassword, warnings };
}

/** Warns of servers and domains that the image ignores, by the rules of proto's live-bottom/triton-node-config, or systemd. */
function serverWarnings(path: string, values: ReadonlyMap<string, string>): FileWarning[] {
  const judge = (key: string, word: string, isUsed: (word: string) => boolean, what: string): FileWarning[] => {
    const broken = isIP(word) === 0 ? brokenNameLimit(word) : undefined;
    const problem = isUsed(word)
      ? broken && `${broken}, so systemd ignores it`
      : `is ${what}, so the image does not use it`;
    if (problem === undefined) return [];
    return [
      { file: path, place: key, problem: `${JSON.stringify(word)} ${problem}`, remedy: "correct it, or remove it" },
    ];
  };
  const words = (key: string): string[] => (values.get(key) ?? "").split(/[, \t]+/).filter((word) => word !== "");
  return [
    ...words("ntp_hosts").flatMap((word) => judge("ntp_hosts", word, isHost, "neither a host name nor an address")),
    ...words("dns_resolvers").flatMap((word) => judge("dns_resolvers", word, isAddress, "not an address")),
    ...["dns_domain", "datacenter_name"].flatMap((key) => {
      const name = values.get(key) ?? "";
      return name === "" ? [] : judge(key, name, (part) => domainPart.test(part), "not part of a domain name");
    }),
  ];
}

const domainPart = /^(?![-.])[A-Za-z0-9._-]+$/;

const isAddress = (word: string): boolean => isIP(word) !== 0 && !word.includes("%");

function isHost(word: string): boolean {
  if (word.includes(":")) return isIPv6(word) && !word.includes("%");
  return /^[0-9.]+$/.test(word) ? isIPv4(word) : domainPart.test(word);
}

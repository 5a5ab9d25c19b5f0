/**
 * node.config, read once at the edge, with a warning of everything in it that the image will not use.
 * The bytes go to the CN as they are, however broken. The form of a line is in node-config-line.ts.
 */
import { readFile } from "node:fs/promises";
import { isIP, isIPv4, isIPv6 } from "node:net";
import { UsageError } from "../../base/livelab-error.js";
import type { FileWarning } from "./file-warning.js";
import { parseNodeConfigLine } from "./node-config-line.js";

export interface NodeConfigFile {
  /** The file as it was named. */
  readonly path: string;
  readonly bytes: Buffer;
  /** What the last line of each key gives it; a key whose last line cannot be read has no value. */
  readonly values: ReadonlyMap<string, string>;
  /** The crypt hash of root's password, or undefined when the file sets none that the image takes. */
  readonly rootShadow: string | undefined;
  /** The password behind that hash, if it stands in the file beside this one with `.password` after its name. */
  readonly rootPassword: string | undefined;
  readonly warnings: readonly FileWarning[];
}

// crypt(5): "$id$…" for all but the old 13-character DES hash.
const cryptHash = /^(\$[0-9a-z]+\$\S+|[./0-9A-Za-z]{13})$/;

/** Reads and judges a node.config, and its password file if there is one. @throws UsageError NODE_CONFIG_UNREADABLE */
export async function readNodeConfigFile(path: string): Promise<NodeConfigFile> {
  try {
    return parseNodeConfigFile(path, await readFile(path), await readIfThere(passwordPath(path)));
  } catch (cause) {
    throw new UsageError("NODE_CONFIG_UNREADABLE", `cannot read node.config: ${(cause as Error).message}`, {
      cause,
      hint: "name an existing file with --node-config, e.g. fixtures/node.config",
    });
  }
}

/** Where the password for a node.config is looked for. */
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

/** The judgement alone. @param path how messages name the file @param password what the password file holds */
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
      remedy: "write KEY='value', one on a line (docs/node-config.md)",
    });
  }
  warnings.push(...serverWarnings(path, values));

  const given = values.get("root_shadow") || undefined;
  // Neither can stand in a line of /etc/shadow, so the image does not use such a value.
  const rootShadow = given === undefined || /[: ]/.test(given) ? undefined : given;
  if (rootShadow === undefined || !cryptHash.test(rootShadow)) {
    warnings.push({
      file: path,
      place: "root_shadow",
      problem:
        given === undefined
          ? "is missing, so root keeps the password of the image, which may be none"
          : "is not a crypt hash, so nobody may be able to log in",
      remedy: "add root_shadow='HASH' with the HASH that `openssl passwd -6` prints",
    });
  }
  const rootPassword = rootShadow === undefined ? undefined : password?.replace(/\r?\n$/, "");
  return { path, bytes, values, rootShadow, rootPassword, warnings };
}

/** The words of servers and domains that the image leaves out, by the rules of proto's live-bottom/triton-node-config. */
function serverWarnings(path: string, values: ReadonlyMap<string, string>): FileWarning[] {
  const warningOf = (key: string, word: string, what: string): FileWarning => ({
    file: path,
    place: key,
    problem: `${JSON.stringify(word)} is ${what}, so the image does not use it`,
    remedy: "correct it, or leave it out",
  });
  const words = (key: string): string[] => (values.get(key) ?? "").split(/[, \t]+/).filter((word) => word !== "");
  return [
    ...words("ntp_hosts")
      .filter((word) => !isHost(word))
      .map((word) => warningOf("ntp_hosts", word, "neither a name nor an address")),
    ...words("dns_resolvers")
      .filter((word) => isIP(word) === 0 || word.includes("%"))
      .map((word) => warningOf("dns_resolvers", word, "not an address")),
    ...["dns_domain", "datacenter_name"].flatMap((key) => {
      const name = values.get(key) ?? "";
      return name === "" || domainPart.test(name) ? [] : [warningOf(key, name, "not part of a domain's name")];
    }),
  ];
}

const domainPart = /^(?![-.])[A-Za-z0-9._-]+$/;

function isHost(word: string): boolean {
  if (word.includes(":")) return isIPv6(word) && !word.includes("%");
  return /^[0-9.]+$/.test(word) ? isIPv4(word) : domainPart.test(word);
}

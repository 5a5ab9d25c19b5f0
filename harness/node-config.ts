/**
 * node.config, read once at the edge: `key='value'` lines that bash sources.
 * The bytes go to the CN as they are, however broken.
 * Source: sdc-headnode scripts/headnode.sh (how it is written: one key a line, no escaping of quotes).
 */
import { readFile } from "node:fs/promises";
import { UsageError } from "../vm/livelab-error.js";
import type { FileWarning } from "./file-warning.js";

export interface NodeConfigFile {
  /** The file as it was named. */
  readonly path: string;
  readonly bytes: Buffer;
  readonly values: ReadonlyMap<string, string>;
  /** The crypt hash of root's password, or undefined when the file sets none. */
  readonly rootShadow: string | undefined;
  /** The password behind that hash, if it stands in the file beside this one with `.password` after its name. */
  readonly rootPassword: string | undefined;
  readonly warnings: readonly FileWarning[];
}

const line = /^([A-Za-z_][A-Za-z0-9_]*)=(?:'([^']*)'|([^\s'"]*))$/;
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
    if (text === "") continue;
    const [matched, key, quoted, bare] = line.exec(text) ?? [];
    if (matched === undefined || key === undefined) {
      warnings.push({
        file: path,
        place: String(index + 1),
        problem: "is not key='value'",
        remedy: "one assignment a line, in single quotes, no comments, no quote inside",
      });
    } else values.set(key, quoted ?? bare ?? "");
  }

  const rootShadow = values.get("root_shadow") || undefined;
  if (rootShadow === undefined || !cryptHash.test(rootShadow)) {
    warnings.push({
      file: path,
      place: "root_shadow",
      problem:
        rootShadow === undefined
          ? "is missing, so root keeps the password of the image, which may be none"
          : "is not a crypt hash, so nobody may be able to log in",
      remedy: "add root_shadow='HASH' with the HASH that `openssl passwd -6` prints",
    });
  }
  const rootPassword = rootShadow === undefined ? undefined : password?.replace(/\r?\n$/, "");
  return { path, bytes, values, rootShadow, rootPassword, warnings };
}

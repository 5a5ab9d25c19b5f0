/**
 * Names users in messages, as /etc/passwd does. A container's user is often a number without an entry, for which
 * os.userInfo() throws. Users of other databases (LDAP) appear as their number.
 * Source: passwd(5).
 */
import { readFileSync } from "node:fs";

interface PasswdEntry {
  readonly name: string;
  readonly home: string;
}

/** Returns the entry of a user id in /etc/passwd, or undefined. @param passwd the file's path. @default "/etc/passwd" */
export function passwdEntryOf(uid: number, passwd = "/etc/passwd"): PasswdEntry | undefined {
  let text: string;
  try {
    text = readFileSync(passwd, "utf8");
  } catch {
    return undefined;
  }
  const fields = text.split("\n").map((line) => line.split(":"));
  const found = fields.find(([name, , id]) => name !== "" && id === String(uid));
  return found === undefined ? undefined : { name: found[0] ?? "", home: found[5] ?? "" };
}

/** "root (uid 0)", or "uid 1234" for a user without an entry. */
export function describeUser(uid: number, passwd?: string): string {
  const entry = passwdEntryOf(uid, passwd);
  return entry === undefined ? `uid ${uid}` : `${entry.name} (uid ${uid})`;
}

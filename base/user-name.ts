/**
 * Users in messages, by name where /etc/passwd has one: a container's user often is a number without an entry, and
 * os.userInfo() throws for it. Users of other databases (LDAP) appear as their number.
 * Source: passwd(5).
 */
import { readFileSync } from "node:fs";

interface PasswdEntry {
  readonly name: string;
  readonly home: string;
}

/** The entry of a user id in /etc/passwd, or undefined. @param passwd the file's path. @default "/etc/passwd" */
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

/** "root (uid 0)", or "uid 1234" for one without a name. */
export function describeUser(uid: number, passwd?: string): string {
  const entry = passwdEntryOf(uid, passwd);
  return entry === undefined ? `uid ${uid}` : `${entry.name} (uid ${uid})`;
}

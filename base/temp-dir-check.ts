/** Checks this host's temp folder for `livelab doctor`: makes a folder, a file and a socket, as every machine does. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { formatBytes } from "./format.js";
import type { HostCheck } from "./host-check.js";
import { explainSystemError } from "./system-error.js";
import { TempDir, tempFolder, tempFolderError } from "./temp-dir.js";

/** Size of the file: more than the other checks write to the temp folder. */
const FILE_BYTES = 2 ** 20;

export async function checkTempFolder(): Promise<HostCheck> {
  const name = "temp folder";
  try {
    await using files = await TempDir.create("doctor");
    await using sockets = await TempDir.createForSockets("doctor");
    await writeProbe(join(files.path, "file"));
    await listenOnce(join(sockets.path, "socket"));
    const elsewhere = dirname(sockets.path);
    const detail = elsewhere === tempFolder() ? "" : `; sockets go to ${elsewhere}, whose path is shorter`;
    return { name, state: "ok", detail: `${tempFolder()}${detail}` };
  } catch (error) {
    const { message, hint } = explainSystemError(error) ?? (error as Error & { readonly hint?: string | undefined });
    return {
      name,
      state: "missing",
      detail: message,
      remedy: hint ?? "free some space there, or set TMPDIR to another folder",
    };
  }
}

/** The bytes are random because a file system that compresses would have room for zeros. */
async function writeProbe(path: string): Promise<void> {
  await writeFile(path, randomBytes(FILE_BYTES)).catch((cause: NodeJS.ErrnoException) => {
    throw tempFolderError(`write a file of ${formatBytes(FILE_BYTES)}`, cause); // the error of write(2) names no path
  });
}

async function listenOnce(path: string): Promise<void> {
  const server = createServer();
  server.listen(path);
  await once(server, "listening"); // throws the server's error
  server.close();
  await once(server, "close");
}

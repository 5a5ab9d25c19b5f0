/** Checks this host's temp folder for `livelab doctor`: makes a folder and a socket, as every machine does. */
import { once } from "node:events";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import type { HostCheck } from "./host-check.js";
import { explainSystemError } from "./system-error.js";
import { TempDir, tempFolder } from "./temp-dir.js";

export async function checkTempFolder(): Promise<HostCheck> {
  const name = "temp folder";
  try {
    await using _files = await TempDir.create("doctor");
    await using sockets = await TempDir.createForSockets("doctor");
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

async function listenOnce(path: string): Promise<void> {
  const server = createServer();
  server.listen(path);
  await once(server, "listening"); // throws the server's error
  server.close();
  await once(server, "close");
}

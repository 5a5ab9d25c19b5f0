/**
 * HTTP server on 127.0.0.1 for a CN: GET and HEAD, with at most one range per request. published-tree.ts holds the files.
 * Sources: RFC 9110 (HEAD, Range, 206, 416); the requests that iPXE and busybox wget send.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { UsageError } from "../../base/livelab-error.js";
import { type FindContent, openContent, type PublishedContent } from "./published-content.js";
import type { Transcript } from "./transcript.js";

export interface FileServerOptions {
  readonly tree: FindContent;
  readonly transcript: Transcript;
  /** @default 0, any free port */
  readonly port?: number;
  /** Receives errors that neither the client nor the disk caused. @default the error is thrown uncaught */
  readonly onDefect?: ((error: Error) => void) | undefined;
}

/** First and last byte, both inclusive. */
type ByteRange = readonly [first: number, last: number];

export class FileServer implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  #closing: Promise<void> | undefined;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** @throws UsageError PORT_IN_USE, PORT_REFUSED */
  static async start(options: FileServerOptions): Promise<FileServer> {
    const port = options.port ?? 0;
    const server = createServer((request, response) => {
      answer(request, response, options).catch(options.onDefect);
    });
    // An emulated guest may be silent for long between two requests on one connection.
    server.keepAliveTimeout = 120_000;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: "127.0.0.1", port }, resolve);
    }).catch((cause: NodeJS.ErrnoException) => {
      const inUse = cause.code === "EADDRINUSE";
      throw new UsageError(
        inUse ? "PORT_IN_USE" : "PORT_REFUSED",
        inUse
          ? `the headnode cannot listen on 127.0.0.1:${port}: the port is in use`
          : `the headnode cannot listen on 127.0.0.1:${port}: ${cause.message}`,
        { cause, hint: "pass another --port, or omit it to use any free port" },
      );
    });
    return new FileServer(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    await this.#closing;
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, options: FileServerOptions): Promise<void> {
  const { transcript } = options;
  const startMs = transcript.now();
  const path = decodePath(request.url ?? "/");
  const transfer = { path, bytesSent: 0, bytesTotal: 0 };
  const peer = `${request.socket.remoteAddress}:${request.socket.remotePort}`;
  transcript.begin(transfer);
  try {
    await respond(request, response, options.tree(path), transfer);
  } catch (error) {
    response.destroy();
    // The client disconnected or the file could not be read: such errors have a code, and the transfer shows as incomplete.
    if (!(error instanceof Error && "code" in error)) throw error;
  } finally {
    transcript.end(transfer, {
      timeMs: startMs,
      method: request.method ?? "",
      path,
      status: response.statusCode,
      bytesSent: transfer.bytesSent,
      bytesTotal: transfer.bytesTotal,
      complete: response.writableFinished,
      durationMs: transcript.now() - startMs,
      peer,
      userAgent: request.headers["user-agent"] ?? "",
    });
  }
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  content: PublishedContent | undefined,
  transfer: { bytesSent: number; bytesTotal: number },
): Promise<void> {
  request.resume();
  if (request.method !== "GET" && request.method !== "HEAD") {
    return refuse(response, 405, "this headnode serves GET and HEAD only", { allow: "GET, HEAD" });
  }
  await using source = await openContent(content);
  if (source === undefined) return refuse(response, 404, "no such file on this headnode");

  const range = parseRange(request.headers.range, source.sizeBytes);
  if (range === "unsatisfiable") {
    return refuse(response, 416, "no such range", { "content-range": `bytes */${source.sizeBytes}` });
  }
  const [first, last] = range ?? [0, source.sizeBytes - 1];
  const length = last - first + 1;
  response.writeHead(range === undefined ? 200 : 206, {
    "content-type": "application/octet-stream",
    "content-length": length,
    "accept-ranges": "bytes",
    ...(range !== undefined && { "content-range": `bytes ${first}-${last}/${source.sizeBytes}` }),
  });
  if (request.method === "HEAD" || length === 0) return finish(response);
  transfer.bytesTotal = length;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      transfer.bytesSent += chunk.length;
      done(null, chunk);
    },
  });
  await pipeline(source.stream(first, last), count, response);
}

async function refuse(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): Promise<void> {
  response.writeHead(status, { "content-type": "text/plain", "content-length": text.length + 1, ...headers });
  return finish(response, `${text}\n`);
}

async function finish(response: ServerResponse, body?: string): Promise<void> {
  await new Promise<void>((resolve) => {
    response.once("close", resolve);
    response.end(body, () => resolve());
  });
}

/** Parses one range of bytes. Several ranges, or another unit, are ignored, as RFC 9110, 14.2 allows. */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | "unsatisfiable" | undefined {
  const [matched, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (matched === undefined || (from === "" && to === "")) return undefined;
  if (from === "") {
    const suffix = Math.min(Number(to), sizeBytes);
    return suffix === 0 ? "unsatisfiable" : [sizeBytes - suffix, sizeBytes - 1];
  }
  const first = Number(from);
  const last = to === "" ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  if (to !== "" && Number(to) < first) return undefined; // malformed, so ignored
  return first >= sizeBytes ? "unsatisfiable" : [first, last];
}

/** "/a%20b?x" → "/a b". A path that cannot be decoded stays as it is, and matches no file. */
function decodePath(url: string): string {
  const path = url.split("?", 1)[0] ?? "/";
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

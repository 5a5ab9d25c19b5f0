/**
 * The gateway: the only thing a builder machine can reach (DESIGN D2). An HTTP server that never listens:
 * connections are handed to it as byte streams, each the far end of a forwarded port.
 *
 *   /<set>/Packages, /<set>/Release, /<set>/pool/…   a flat apt repository for each lock set
 *   /npm/<name>/<version>.tgz                        the npm tarballs
 *   what serveFile and serveBytes registered
 *
 * Anything else is refused with 403 and remembered with the stage that asked: a refusal is a defect of the lock
 * and fails the build; it is never a reason to open the network.
 * Sources: sources.list(5) "flat repository"; wiki.debian.org/DebianRepository/Format.
 * Not here: forwarding the port (builder/channel/ssh-connection.ts).
 */
import { createHash } from "node:crypto";
import { createReadStream, rmSync } from "node:fs";
import { stat } from "node:fs/promises";
import http from "node:http";
import { type Duplex, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { InputError } from "../builder-error.js";
import type { Digest } from "../profile/digest.js";
import type { Lock } from "../profile/lock.js";
import type { LockSet } from "../profile/lock-set.js";
import type { Store } from "./store.js";

/** A request that the lock does not cover. */
export interface Refusal {
  /** The stage that was running. */
  readonly stage: string;
  readonly method: string;
  /** As it was asked for, query included. */
  readonly path: string;
  readonly time: Date;
  /**
   * `not-locked`: nothing names it. `not-in-store`: the lock names it and the store lacks it.
   * `altered`: the store's file has not the locked digest any more; it is removed from the store.
   */
  readonly reason: "not-locked" | "not-in-store" | "altered";
}

type Resource =
  | { readonly kind: "file"; readonly path: string; readonly digest: Digest | undefined }
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  /** What apt looks for and does without: answered 404, which is no refusal. */
  | { readonly kind: "absent" };

/** What apt asks a flat repository for beside Release and Packages (apt 1.8 to 3.0). */
const absentInRepositories = [
  "InRelease",
  "Release.gpg",
  ...["xz", "gz", "bz2", "lzma", "lz4", "zst"].map((x) => `Packages.${x}`),
];

export class Gateway implements AsyncDisposable {
  /** The stage that runs now: every refusal is noted under this name. */
  stage = "start";
  /** Bytes of locked files that went to builder machines so far. */
  servedBytes = 0;
  readonly #resources = new Map<string, Resource>();
  readonly #refusals: Refusal[] = [];
  readonly #server: http.Server;
  readonly #connections = new Set<Duplex>();

  constructor() {
    // The builder machine's clock and patience are its own affair: no limit on the pace of a request.
    this.#server = http.createServer(
      { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0 },
      (request, response) => {
        this.#answer(request, response).catch(() => response.destroy());
      },
    );
    this.#server.on("clientError", (_error, socket) => socket.destroy());
  }

  /** Takes over one connection from the builder machine. */
  accept(stream: Duplex): void {
    this.#connections.add(stream);
    stream.once("close", () => this.#connections.delete(stream));
    stream.on("error", () => stream.destroy()); // the machine went away: its own error is told elsewhere
    this.#server.emit("connection", stream);
  }

  /** Serves a file of the host under a path that begins with a slash. @param digest what it must have; if not given, anything */
  serveFile(path: string, file: string, digest?: Digest): void {
    this.#resources.set(path, { kind: "file", path: file, digest });
  }

  /** Serves bytes under a path that begins with a slash. */
  serveBytes(path: string, bytes: Buffer | string): void {
    this.#resources.set(path, { kind: "bytes", bytes: Buffer.from(bytes) });
  }

  /** Answers 404 for a path that a program may look for and can do without. */
  serveAbsence(path: string): void {
    this.#resources.set(path, { kind: "absent" });
  }

  /** Serves a lock set as a flat apt repository: `deb [trusted=yes] http://127.0.0.1:3142/<set>/ ./` */
  serveSet(set: LockSet, store: Store): void {
    const base = `/${set.name}/`;
    this.serveBytes(`${base}Packages`, set.text);
    this.serveBytes(`${base}Release`, releaseFile(set));
    for (const name of absentInRepositories) this.serveAbsence(base + name);
    for (const { filename, digest } of set.packages) this.serveFile(base + filename, store.pathOf(digest), digest);
  }

  /** What was refused so far. */
  get refusals(): readonly Refusal[] {
    return this.#refusals;
  }

  /** @throws InputError REFUSED naming stage and paths, when anything was refused */
  throwIfRefused(): void {
    const [first] = this.#refusals;
    if (first === undefined) return;
    const lines = this.#refusals.map(
      ({ stage, method, path, reason }) => `\n  ${stage}: ${method} ${path} (${reason})`,
    );
    throw new InputError(
      "REFUSED",
      `stage ${first.stage} asked for what the build may not have, or has not unaltered:${lines.join("")}`,
      {
        hint:
          first.reason === "not-locked"
            ? "add the package to the profile (builder/profile/profiles.ts), then run livelab lock update"
            : "run livelab inputs fetch, then build again; look at the disk if a file of the store was altered",
      },
    );
  }

  /** Ends every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of this.#connections) stream.destroy();
    this.#server.closeAllConnections();
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    request.resume(); // a body is of no interest, but it must not block the next request
    const { method = "", url = "" } = request;
    const resource = method === "GET" || method === "HEAD" ? this.#find(url) : undefined;
    if (resource === undefined) return this.#refuse(request, response, "not-locked");
    switch (resource.kind) {
      case "absent":
        response.writeHead(404, { "Content-Length": 0 }).end();
        return;
      case "bytes":
        response.writeHead(200, { "Content-Length": resource.bytes.length });
        response.end(method === "HEAD" ? undefined : resource.bytes);
        return;
      case "file": {
        const found = await stat(resource.path).catch(() => undefined);
        if (found === undefined) return this.#refuse(request, response, "not-in-store");
        response.writeHead(200, { "Content-Length": found.size });
        if (method === "HEAD") response.end();
        else if (resource.digest === undefined) await pipeline(createReadStream(resource.path), response);
        else await this.#serveChecked(request, response, { ...resource, digest: resource.digest, size: found.size });
        return;
      }
      default:
        return resource satisfies never;
    }
  }

  /** Checked again while it goes out: a disk may alter what the store once verified. */
  async #serveChecked(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    { path, digest, size }: { path: string; digest: Digest; size: number },
  ): Promise<void> {
    const hash = createHash(digest.algorithm);
    let seen = 0;
    const checked = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        hash.update(chunk);
        seen += chunk.length;
        this.servedBytes += chunk.length;
        // Before the last bytes go: the stage may be over as soon as it has them.
        if (seen === size && hash.digest("hex") !== digest.hex) {
          this.#remember(request, "altered");
          rmSync(path, { force: true });
        }
        done(null, chunk);
      },
    });
    await pipeline(createReadStream(path), checked, response);
  }

  #remember({ method = "", url = "" }: http.IncomingMessage, reason: Refusal["reason"]): void {
    this.#refusals.push({ stage: this.stage, method, path: url, time: new Date(), reason });
  }

  /** Clients escape "+" and "~" or not, and apt writes "/./" for the "./" of a flat repository. */
  #find(url: string): Resource | undefined {
    try {
      return this.#resources.get(decodeURIComponent(url).replaceAll("/./", "/"));
    } catch {
      return undefined; // a malformed escape names nothing
    }
  }

  #refuse(request: http.IncomingMessage, response: http.ServerResponse, reason: Refusal["reason"]): void {
    this.#remember(request, reason);
    const { url = "" } = request;
    const text = `livelab: refused in stage ${this.stage}: ${url} is ${reason === "not-locked" ? "not in the lock" : "not in the store"}\n`;
    response.writeHead(403, { "Content-Type": "text/plain", "Content-Length": Buffer.byteLength(text) });
    response.end(request.method === "HEAD" ? undefined : text);
  }
}

/** A gateway that serves exactly what a lock names. */
export function createGateway(lock: Lock, store: Store): Gateway {
  const gateway = new Gateway();
  for (const set of lock.sets) gateway.serveSet(set, store);
  for (const { name, version, digest } of lock.npm)
    gateway.serveFile(`/npm/${name}/${version}.tgz`, store.pathOf(digest), digest);
  return gateway;
}

/** A Release file without a date: the same lock always gives the same bytes. */
function releaseFile({ name, text }: LockSet): string {
  const sha256 = createHash("sha256").update(text).digest("hex");
  return [
    "Origin: livelab",
    "Label: livelab",
    `Suite: ${name}`,
    `Codename: ${name}`,
    "Description: what the lock names",
    `SHA256:\n ${sha256} ${Buffer.byteLength(text)} Packages`,
    "",
  ].join("\n");
}

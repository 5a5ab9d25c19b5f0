/**
 * The gateway: the only server that a builder machine can reach (DESIGN D2). It is an HTTP server without a listening port:
 * its connections are byte streams, each the end of a port forwarded by channel/ssh-connection.ts.
 *
 *   /<set>/Packages, /<set>/Release, /<set>/pool/…   a flat apt repository for each lock set
 *   /npm/<name>/<version>.tgz                        the npm tarballs
 *   paths registered with serveFile() and serveBytes()
 *
 * All other requests are refused with 403 and recorded with the stage that made them. A refusal shows a defect of the lock or
 * the store: it fails the build, and never opens the network.
 * Sources: sources.list(5) "flat repository"; wiki.debian.org/DebianRepository/Format.
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

/** A request for a file that is not locked, or whose stored copy is missing or damaged. */
export interface Refusal {
  /** The stage that was running. */
  readonly stage: string;
  readonly method: string;
  /** As requested, including the query. */
  readonly path: string;
  readonly time: Date;
  /**
   * `not-locked`: the lock does not name the path. `not-in-store`: the lock names it, but the store lacks the file.
   * `altered`: the store's file no longer has the locked digest; it is removed from the store.
   */
  readonly reason: "not-locked" | "not-in-store" | "altered";
}

type Resource =
  | { readonly kind: "file"; readonly path: string; readonly digest: Digest | undefined }
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  /** An optional file that apt looks for: answered with 404, which does not count as a refusal. */
  | { readonly kind: "absent" };

/** Files that apt requests from a flat repository in addition to Release and Packages (apt 1.8 to 3.0). */
const absentInRepositories = [
  "InRelease",
  "Release.gpg",
  ...["xz", "gz", "bz2", "lzma", "lz4", "zst"].map((x) => `Packages.${x}`),
];

export class Gateway implements AsyncDisposable {
  /** Name of the running stage; every refusal is recorded under it. */
  stage = "start";
  /** Bytes of locked files sent to builder machines so far. */
  servedBytes = 0;
  readonly #resources = new Map<string, Resource>();
  readonly #refusals: Refusal[] = [];
  readonly #server: http.Server;
  readonly #connections = new Set<Duplex>();

  constructor() {
    // No time limits: an emulated builder machine may send its requests slowly.
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
    stream.on("error", () => stream.destroy()); // the machine ended; its owner reports that
    this.#server.emit("connection", stream);
  }

  /** Serves a file of the host under a path that begins with a slash. @param digest required digest. @default any */
  serveFile(path: string, file: string, digest?: Digest): void {
    this.#resources.set(path, { kind: "file", path: file, digest });
  }

  /** Serves bytes under a path that begins with a slash. */
  serveBytes(path: string, bytes: Buffer | string): void {
    this.#resources.set(path, { kind: "bytes", bytes: Buffer.from(bytes) });
  }

  /** Answers 404 for an optional path that a program may request. */
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

  /** Requests refused so far. */
  get refusals(): readonly Refusal[] {
    return this.#refusals;
  }

  /** Fails if any request was refused. @throws InputError REFUSED with stage and paths */
  throwIfRefused(): void {
    const [first] = this.#refusals;
    if (first === undefined) return;
    const lines = this.#refusals.map(
      ({ stage, method, path, reason }) => `\n  ${stage}: ${method} ${path} (${reason})`,
    );
    throw new InputError(
      "REFUSED",
      `stage ${first.stage} requested files that are not locked, or whose stored copy is missing or damaged:${lines.join("")}`,
      {
        hint:
          first.reason === "not-locked"
            ? "add the package to the profile (builder/profile/profiles.ts), then: livelab lock update"
            : "fetch the files again: livelab inputs fetch; then build again. If a file was altered, check the disk",
      },
    );
  }

  /** Ends every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of this.#connections) stream.destroy();
    this.#server.closeAllConnections();
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    request.resume(); // an unread body would block the next request
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

  /** Checks the digest again while sending: a disk may damage a file that the store verified before. */
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
        // Record it before the last bytes are sent: with them the stage may end at once.
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

  /** Some clients escape "+" and "~", and apt writes "/./" for the "./" of a flat repository. */
  #find(url: string): Resource | undefined {
    try {
      return this.#resources.get(decodeURIComponent(url).replaceAll("/./", "/"));
    } catch {
      return undefined; // malformed escape
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

/** Makes a gateway that serves exactly the files of a lock. */
export function createGateway(lock: Lock, store: Store): Gateway {
  const gateway = new Gateway();
  for (const set of lock.sets) gateway.serveSet(set, store);
  for (const { name, version, digest } of lock.npm)
    gateway.serveFile(`/npm/${name}/${version}.tgz`, store.pathOf(digest), digest);
  return gateway;
}

/** Makes a Release file without a date, so that the same lock always gives the same bytes. */
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

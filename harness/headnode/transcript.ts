/**
 * Records the headnode's requests and answers: one JSON line per request in a file, and the same as events.
 * The file is complete when the file server has ended.
 */

import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { openLog } from "../open-log.js";

export interface HeadnodeRequest {
  /** Start of the request, in milliseconds since power-on. */
  readonly timeMs: number;
  readonly method: string;
  /** Decoded path without query, e.g. "/extra/joysetup/node.config". */
  readonly path: string;
  readonly status: number;
  /** Bytes of the body that were passed to the connection. */
  readonly bytesSent: number;
  /** Length of the complete body in bytes. */
  readonly bytesTotal: number;
  /** Whether the whole body was sent before the connection ended. */
  readonly complete: boolean;
  readonly durationMs: number;
  /** "127.0.0.1:40122" */
  readonly peer: string;
  /** Empty if the client sent none. */
  readonly userAgent: string;
}

/** A download that has not ended yet. */
export interface OpenRequest {
  readonly path: string;
  readonly bytesSent: number;
  readonly bytesTotal: number;
}

export class Transcript implements AsyncDisposable {
  readonly #now: () => number;
  readonly #file: WriteStream | undefined;
  readonly #requests: HeadnodeRequest[] = [];
  readonly #open = new Set<OpenRequest>();
  readonly #listeners = new Set<(request: HeadnodeRequest) => void>();

  /**
   * @param now milliseconds since power-on
   * @param path file for the JSON lines; undefined for no file
   * @throws HarnessError LOG_NOT_WRITABLE if the file cannot be opened
   */
  constructor(now: () => number, path?: string) {
    this.#now = now;
    this.#file = path === undefined ? undefined : createWriteStream(path, { fd: openLog(path) });
    // A full disk must not end the boot: the requests are still in memory.
    this.#file?.on("error", () => undefined);
  }

  /** Milliseconds since power-on. */
  now(): number {
    return this.#now();
  }

  /** All requests that have ended, in the order of their ends. */
  get requests(): readonly HeadnodeRequest[] {
    return this.#requests;
  }

  /** Downloads that are running now. */
  get open(): readonly OpenRequest[] {
    return [...this.#open];
  }

  /** Bytes of bodies sent to clients so far, including unfinished downloads. */
  get bytesSent(): number {
    return [...this.#requests, ...this.#open].reduce((sum, { bytesSent }) => sum + bytesSent, 0);
  }

  /** Calls `listener` for each request that ends, past ones first. @returns a function that removes the listener */
  onRequest(listener: (request: HeadnodeRequest) => void): () => void {
    for (const request of this.#requests) listener(request);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Called by the servers when a request begins. */
  begin(request: OpenRequest): void {
    this.#open.add(request);
  }

  /** Called by the servers when a request ends. */
  end(open: OpenRequest, request: HeadnodeRequest): void {
    this.#open.delete(open);
    this.#requests.push(request);
    this.#file?.write(`${JSON.stringify(request)}\n`);
    for (const listener of this.#listeners) listener(request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#file === undefined || this.#file.closed) return;
    this.#file.end();
    await once(this.#file, "close").catch(() => undefined);
  }
}

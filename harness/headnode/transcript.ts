/**
 * What the headnode was asked and what it answered: one JSON line a request, and the same as events.
 * It outlives nothing: the file is complete when the file server has ended.
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
  /** Bytes of body handed to the connection. */
  readonly bytesSent: number;
  /** Bytes of body that a complete answer has. */
  readonly bytesTotal: number;
  /** Whether all of it went out before the connection ended. */
  readonly complete: boolean;
  readonly durationMs: number;
  /** "127.0.0.1:40122" */
  readonly peer: string;
  /** Empty when the client sent none. */
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
   * @param path where the JSON lines go; none when undefined
   * @throws HarnessError LOG_NOT_WRITABLE when it cannot be opened
   */
  constructor(now: () => number, path?: string) {
    this.#now = now;
    this.#file = path === undefined ? undefined : createWriteStream(path, { fd: openLog(path) });
    // A full disk must not end the boot: what cannot be written is still in memory.
    this.#file?.on("error", () => undefined);
  }

  /** Milliseconds since power-on. */
  now(): number {
    return this.#now();
  }

  /** Everything answered so far, in the order of the ends. */
  get requests(): readonly HeadnodeRequest[] {
    return this.#requests;
  }

  /** What is being sent at this moment. */
  get open(): readonly OpenRequest[] {
    return [...this.#open];
  }

  /** Bytes of body that were handed to clients so far, those of unfinished downloads included. */
  get bytesSent(): number {
    return [...this.#requests, ...this.#open].reduce((sum, { bytesSent }) => sum + bytesSent, 0);
  }

  /** Calls `listener` for each request that ended, past ones first. @returns a function that stops it */
  onRequest(listener: (request: HeadnodeRequest) => void): () => void {
    for (const request of this.#requests) listener(request);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** For the file server: a request began. */
  begin(request: OpenRequest): void {
    this.#open.add(request);
  }

  /** For the file server: a request ended. */
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

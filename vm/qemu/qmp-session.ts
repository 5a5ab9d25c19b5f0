/**
 * A QMP session: sends one command at a time, and queues events in the order of their arrival.
 * Source: QEMU docs/interop/qmp-spec.
 */
import type { Duplex } from "node:stream";
import { waitAtMost } from "../../base/wait-at-most.js";
import { VmError } from "../vm-error.js";
import { parseQmpMessage, type QmpEvent, type QmpMessage } from "./qmp-message.js";

export interface QmpWait {
  /** Time limit for QEMU's answer, in milliseconds. @default 5_000 */
  readonly limitMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export class QmpSession implements AsyncDisposable {
  /** E.g. "7.2.22". */
  readonly qemuVersion: string;
  readonly #channel: Duplex;
  readonly #inbox: Inbox;
  /** Settles when QEMU has answered the previous command. */
  #turn: Promise<unknown> = Promise.resolve();
  #lastId = 0;

  private constructor(channel: Duplex, inbox: Inbox, qemuVersion: string) {
    this.#channel = channel;
    this.#inbox = inbox;
    this.qemuVersion = qemuVersion;
  }

  /**
   * Waits for the greeting and negotiates capabilities. Owns the channel, and destroys it on failure.
   * @throws VmError QMP_CLOSED, QMP_TIMEOUT, QMP_MALFORMED, QMP_ERROR
   */
  static async open(channel: Duplex, wait: QmpWait = {}): Promise<QmpSession> {
    const inbox = new Inbox(channel);
    try {
      const greeting = await waitAtMost(inbox.greeting, {
        limitMs: wait.limitMs ?? 5_000,
        signal: wait.signal,
        onLimit: () => new VmError("QMP_TIMEOUT", `no greeting from QEMU in ${wait.limitMs ?? 5_000} ms`),
      });
      const session = new QmpSession(channel, inbox, greeting.qemuVersion);
      await session.execute("qmp_capabilities", {}, wait);
      return session;
    } catch (error) {
      channel.destroy();
      throw error;
    }
  }

  /**
   * Sends a command after QEMU has answered the previous one.
   * If the caller gives up after a command was sent, the next command still waits for the answer to it.
   * @returns QEMU's answer, unparsed
   * @throws VmError QMP_ERROR, QMP_TIMEOUT, QMP_CLOSED, QMP_MALFORMED
   */
  async execute(command: string, args: Record<string, unknown> = {}, wait: QmpWait = {}): Promise<unknown> {
    const limitMs = wait.limitMs ?? 5_000;
    let givenUp = false;
    const answer = this.#turn.then(() => (givenUp ? undefined : this.#exchange(command, args)));
    this.#turn = answer.catch(() => {});
    try {
      return await waitAtMost(answer, {
        limitMs,
        signal: wait.signal,
        onLimit: () => new VmError("QMP_TIMEOUT", `QEMU did not answer ${command} in ${limitMs} ms`),
      });
    } finally {
      givenUp = true;
    }
  }

  /** Takes the next event from the queue. @throws VmError QMP_CLOSED or QMP_MALFORMED after the last event */
  nextEvent(): Promise<QmpEvent> {
    return this.#inbox.nextEvent();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel.destroy();
  }

  async #exchange(command: string, args: Record<string, unknown>): Promise<unknown> {
    this.#lastId += 1;
    const answer = this.#inbox.answerTo(this.#lastId);
    this.#channel.write(`${JSON.stringify({ execute: command, arguments: args, id: this.#lastId })}\n`);
    const message = await answer;
    if (message.kind === "return") return message.value;
    throw new VmError("QMP_ERROR", `QEMU refused ${command}: ${message.desc} (${message.class})`);
  }
}

type Greeting = Extract<QmpMessage, { kind: "greeting" }>;
type Answer = Extract<QmpMessage, { kind: "return" | "error" }>;

/** Dispatches messages: the greeting, the awaited answer, events. Its end rejects all waiters with the same error. */
class Inbox {
  readonly greeting: Promise<Greeting>;
  readonly #greeting = deferred<Greeting>();
  readonly #events: QmpEvent[] = [];
  #eventWaiters: Deferred<QmpEvent>[] = [];
  #answer: { readonly id: number; readonly deferred: Deferred<Answer> } | undefined;
  #ended: VmError | undefined;
  #partial = "";

  constructor(channel: Duplex) {
    this.greeting = this.#greeting.promise;
    channel.setEncoding("utf8");
    channel.on("data", (text: string) => this.#take(channel, text));
    channel.on("error", (cause) => this.#end(new VmError("QMP_CLOSED", "the QMP channel failed", { cause })));
    const closed = (): void => this.#end(new VmError("QMP_CLOSED", "QEMU closed the QMP channel"));
    channel.on("close", closed);
    if (channel.destroyed) closed(); // QEMU ended before this listener was added, and "close" is not emitted again
  }

  answerTo(id: number): Promise<Answer> {
    if (this.#ended) return Promise.reject(this.#ended);
    this.#answer = { id, deferred: deferred() };
    return this.#answer.deferred.promise;
  }

  nextEvent(): Promise<QmpEvent> {
    const event = this.#events.shift();
    if (event) return Promise.resolve(event);
    if (this.#ended) return Promise.reject(this.#ended);
    const waiter = deferred<QmpEvent>();
    this.#eventWaiters.push(waiter);
    return waiter.promise;
  }

  #take(channel: Duplex, text: string): void {
    const lines = (this.#partial + text).split("\n");
    this.#partial = lines.pop() ?? "";
    try {
      for (const line of lines) if (line.trim() !== "") this.#sort(parseQmpMessage(line));
    } catch (error) {
      this.#end(error as VmError);
      channel.destroy();
    }
  }

  #sort(message: QmpMessage): void {
    switch (message.kind) {
      case "greeting":
        this.#greeting.resolve(message);
        return;
      case "event": {
        const waiter = this.#eventWaiters.shift();
        if (waiter) waiter.resolve(message);
        else this.#events.push(message);
        return;
      }
      case "return":
      case "error":
        if (message.id === undefined || message.id === this.#answer?.id) {
          this.#answer?.deferred.resolve(message);
          this.#answer = undefined;
        }
        return;
      default:
        message satisfies never;
    }
  }

  #end(error: VmError): void {
    if (this.#ended) return;
    this.#ended = error;
    this.#greeting.reject(error);
    this.#answer?.deferred.reject(error);
    for (const waiter of this.#eventWaiters.splice(0)) waiter.reject(error);
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

function deferred<T>(): Deferred<T> {
  let settle: Pick<Deferred<T>, "resolve" | "reject"> = { resolve: () => {}, reject: () => {} };
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Waiters still see the rejection. Without a waiter it must not become an unhandled error.
  promise.catch(() => {});
  return { promise, ...settle };
}

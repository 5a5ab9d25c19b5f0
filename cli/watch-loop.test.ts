import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { InputState } from "../builder/build-inputs.js";
import { thrownBy } from "../fixtures/vm-deadline.js";
import { watchInputs } from "./watch-loop.js";

const test = suite("watch loop");

/** A loop on inputs that the test changes, and rounds that the test ends. */
class Watched {
  inputs: InputState = new Map([["proto/a", "1"]]);
  /** What happened, in order. */
  readonly events: string[] = [];
  readonly interruption = new AbortController();
  readonly ended: Promise<unknown>;
  #endRound: (error?: Error) => void = () => {};
  #happened = (): void => {};

  constructor(readInputs = async (): Promise<InputState> => this.inputs) {
    this.ended = thrownBy(
      watchInputs({
        readInputs,
        round: (signal) => this.#round(signal),
        onError: (error) => this.#record(`error: ${(error as Error).message}`),
        note: (text) => this.#record(text),
        signal: this.interruption.signal,
        pollMs: 1,
      }),
    );
  }

  #record(event: string): void {
    this.events.push(event);
    this.#happened();
  }

  #round(signal: AbortSignal): Promise<void> {
    this.#record("begin");
    return new Promise((resolve, reject) => {
      this.#endRound = (error) => (error === undefined ? resolve() : reject(error));
      signal.addEventListener("abort", () => {
        // A real round also needs time to end.
        setTimeout(() => {
          this.#record(`stopped: ${(signal.reason as Error).message}`);
          reject(signal.reason);
        }, 5);
      });
    });
  }

  endRound(error?: Error): void {
    this.#endRound(error);
  }

  /** Waits for an event that has not been returned yet. */
  async next(count = 1): Promise<string[]> {
    while (this.events.length < count) await new Promise<void>((resolve) => (this.#happened = resolve));
    return this.events.splice(0);
  }

  async end(): Promise<void> {
    const reason = new Error("livelab got SIGINT");
    this.interruption.abort(reason);
    assert.is(await this.ended, reason);
  }
}

test("the first round begins at once, and the next when a file has changed, with a line that names it", async () => {
  const watched = new Watched();
  assert.equal(await watched.next(), ["begin"]);
  watched.endRound();
  assert.equal(await watched.next(), ["waiting for a change"]);
  watched.inputs = new Map([["proto/a", "2"]]);
  assert.equal(await watched.next(2), ["proto/a changed", "begin"]);
  watched.endRound();
  await watched.end();
});

test("a change stops the round that is running, and the next begins only when it has ended", async () => {
  const watched = new Watched();
  await watched.next();
  watched.inputs = new Map([...watched.inputs, ["proto/b", "1"]]);
  assert.equal(await watched.next(3), [
    "proto/b added; stopping the current round",
    "stopped: a newer change overtook it",
    "begin",
  ]);
  watched.endRound();
  assert.equal(await watched.next(), ["waiting for a change"]);
  await watched.end();
});

test("a failed round is reported, and the watch goes on", async () => {
  const watched = new Watched();
  await watched.next();
  watched.endRound(new Error("stage install_proto ended with status 1"));
  assert.equal(await watched.next(2), ["error: stage install_proto ended with status 1", "waiting for a change"]);
  watched.inputs = new Map();
  assert.equal(await watched.next(2), ["proto/a removed", "begin"]);
  watched.endRound();
  await watched.end();
});

test("an interruption stops the round, waits for its end, and is not reported as its failure", async () => {
  const watched = new Watched();
  await watched.next();
  await watched.end();
  assert.equal(watched.events, ["stopped: livelab got SIGINT"]);
});

test("a change that is undone, and one that still goes on, begin no round; a line names only some of many files", async () => {
  const many = (word: string): InputState => new Map(["a", "b", "c", "d", "e"].map((name) => [name, word]));
  const looks = [many("1"), many("2"), many("1"), many("3"), many("4"), many("5")];
  const watched = new Watched(async () => looks.shift() ?? many("6"));
  assert.equal(await watched.next(), ["begin"]);
  watched.endRound();
  assert.equal(await watched.next(3), [
    "waiting for a change",
    "a changed, b changed, c changed, 2 more files",
    "begin",
  ]);
  watched.endRound();
  await watched.end();
});

test("inputs that cannot be read end the watch, after the round has ended", async () => {
  let looks = 0;
  const failure = new Error("EACCES");
  const watched = new Watched(async () => {
    if (looks++ > 0) throw failure;
    return new Map();
  });
  assert.is(await watched.ended, failure);
  assert.is(watched.events.length, 2);
  assert.is(watched.events[0], "begin");
});

test.run();

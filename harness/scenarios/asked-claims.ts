/** Checks the claims of one boot, one after the other, shows progress, and keeps the outcome of each. */
import type { Progress } from "../../base/progress/progress.js";
import { ExpectationFailed } from "../harness-error.js";
import type { Claim } from "./scenario.js";

/** `failed`: the claim is false; `broken`: livelab or the host could not check it; `not run`: the boot ended before. */
export type ClaimOutcome = "passed" | "failed" | "broken" | "not run";

export interface ClaimResult {
  readonly title: string;
  readonly outcome: ClaimOutcome;
  /** Why, unless it passed. */
  readonly message?: string;
  readonly durationMs: number;
}

export class AskedClaims {
  firstError: unknown;
  readonly #asked = new Map<string, ClaimResult>();
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /**
   * Checks one claim. A claim that fails is an outcome, not an error.
   * @returns what `verify` returns, or undefined if the claim fails @throws the signal's reason when it is aborted
   */
  async ask<T>(title: string, verify: () => Promise<T>): Promise<T | undefined> {
    const startMs = performance.now();
    const outcome = await attempt(verify);
    this.#asked.set(title, { title, ...outcome.result, durationMs: performance.now() - startMs });
    this.firstError ??= outcome.error;
    this.#signal.throwIfAborted();
    return outcome.value;
  }

  /** Checks each claim in order, as a step that shows how many are done and which one runs. @throws as ask() */
  async askAll<Subject>(claims: readonly Claim<Subject>[], subject: Subject, progress: Progress): Promise<void> {
    if (claims.length === 0) return;
    await progress.step(`checking ${countOf(claims.length)}`, async (step) => {
      for (const [done, { title, verify }] of claims.entries()) {
        step.status(`${done} done, now: ${title}`);
        await this.ask(title, () => verify(subject));
      }
      step.result(describeOutcomes(this.results(claims.map(({ title }) => title))));
    });
  }

  /** Returns the results in the order of the titles. A claim that was not checked is "not run". */
  results(titles: readonly string[]): ClaimResult[] {
    const message = this.why;
    return titles.map((title) => this.#asked.get(title) ?? { title, outcome: "not run", message, durationMs: 0 });
  }

  /** The message of the first error. */
  get why(): string {
    return this.firstError instanceof Error ? this.firstError.message : "";
  }
}

/** Whether an error is a fault of the guest (`failed`), or of livelab or the host (`broken`). */
export const outcomeOf = (error: unknown): "failed" | "broken" =>
  error instanceof ExpectationFailed ? "failed" : "broken";

/** Counts outcomes: "12 passed, 1 failed, 17 not run". "broken" and "not run" are left out if there are none. */
export function describeOutcomes(claims: readonly Pick<ClaimResult, "outcome">[], noun = ""): string {
  const count = (wanted: ClaimOutcome): number => claims.filter(({ outcome }) => outcome === wanted).length;
  const rare = (["broken", "not run"] as const).filter((outcome) => count(outcome) > 0);
  const words = [`${count("passed")} ${noun}passed`, `${count("failed")} failed`];
  return [...words, ...rare.map((outcome) => `${count(outcome)} ${outcome}`)].join(", ");
}

const countOf = (claims: number): string => `${claims} ${claims === 1 ? "claim" : "claims"}`;

interface Attempt<T> {
  readonly value?: T;
  readonly result: Pick<ClaimResult, "outcome" | "message">;
  readonly error?: unknown;
}

async function attempt<T>(verify: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await verify(), result: { outcome: "passed" } };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { result: { outcome: outcomeOf(error), message }, error };
  }
}

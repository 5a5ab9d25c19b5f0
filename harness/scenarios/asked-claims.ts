/** The claims of one boot: asks them one after the other, shows progress, and keeps the outcome of each. */
import type { Progress } from "../../base/progress/progress.js";
import { ExpectationFailed } from "../harness-error.js";
import type { Claim } from "./scenario.js";

/** `failed`: the guest did not do it; `broken`: livelab or the host could not ask; `not run`: it did not come to that. */
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
   * Never rejects for what the claim says.
   * @returns what `verify` gives, or undefined where it is not so @throws the signal's reason when it is aborted
   */
  async ask<T>(title: string, verify: () => Promise<T>): Promise<T | undefined> {
    const startMs = performance.now();
    const outcome = await attempt(verify);
    this.#asked.set(title, { title, ...outcome.result, durationMs: performance.now() - startMs });
    this.firstError ??= outcome.error;
    this.#signal.throwIfAborted();
    return outcome.value;
  }

  /** Asks each in order, as a step that shows how many are done and which one runs. @throws as ask() */
  async askAll<Subject>(claims: readonly Claim<Subject>[], subject: Subject, progress: Progress): Promise<void> {
    if (claims.length === 0) return;
    await progress.step(`asking ${countOf(claims.length)}`, async (step) => {
      for (const [done, { title, verify }] of claims.entries()) {
        step.status(`${done} done, now: ${title}`);
        await this.ask(title, () => verify(subject));
      }
      const passed = claims.filter(({ title }) => this.#asked.get(title)?.outcome === "passed").length;
      step.result(`${passed} passed, ${claims.length - passed} failed`);
    });
  }

  /** In the order of the titles; a claim that was not asked has not been proved. */
  results(titles: readonly string[]): ClaimResult[] {
    const message = this.why;
    return titles.map((title) => this.#asked.get(title) ?? { title, outcome: "not run", message, durationMs: 0 });
  }

  /** The first thing that went wrong, in words. */
  get why(): string {
    return this.firstError instanceof Error ? this.firstError.message : "";
  }
}

/** Where the fault lies that an error shows. */
export const outcomeOf = (error: unknown): "failed" | "broken" =>
  error instanceof ExpectationFailed ? "failed" : "broken";

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

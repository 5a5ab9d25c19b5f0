/**
 * Progress as dated plain lines: for logs, pipes and CI.
 * One line for each start, end and note; a status line for a step only every few seconds.
 */
import { formatDuration } from "../format.js";
import type { Progress, Step } from "./progress.js";

export interface ProgressLinesOptions {
  /** Writes one line, given without its newline. */
  readonly writeLine: (line: string) => void;
  /** The time, in milliseconds since 1970. */
  readonly now: () => number;
  /** Shortest time between two lines of one step, in milliseconds. @default 5_000 */
  readonly statusIntervalMs?: number;
}

/** Elapsed time counts from this call. */
export function createProgressLines({ writeLine, now, statusIntervalMs = 5_000 }: ProgressLinesOptions): Progress {
  const begunAt = now();
  const say = (text: string): void => {
    const date = `${new Date(now()).toISOString().slice(0, 19)}Z`;
    for (const line of text.split("\n")) writeLine(`${date}  +${formatDuration(now() - begunAt)}  ${line}`);
  };

  return {
    note: say,
    async step(title, work) {
      const startedAt = now();
      let result = "";
      let status: string | undefined;
      let timer: NodeJS.Timeout | undefined;
      let lastLineAt = startedAt;

      const sayStatus = (): void => {
        clearTimeout(timer);
        timer = undefined;
        if (status === undefined) return;
        say(`${title}: ${status}`);
        status = undefined;
        lastLineAt = now();
      };
      const step: Step = {
        // The timer shows the last status of a burst; otherwise a step that falls silent would seem stuck at an earlier one.
        status(text) {
          status = text;
          const waitMs = lastLineAt + statusIntervalMs - now();
          if (waitMs <= 0) sayStatus();
          else timer ??= setTimeout(sayStatus, waitMs).unref();
        },
        result(text) {
          result = text;
        },
      };
      const end = (outcome: string): void => {
        clearTimeout(timer);
        say(`${title} ${outcome}, ${formatDuration(now() - startedAt)}${result === "" ? "" : ` (${result})`}`);
      };

      say(`${title} …`);
      try {
        const value = await work(step);
        end("done");
        return value;
      } catch (error) {
        end("failed");
        throw error;
      }
    },
  };
}

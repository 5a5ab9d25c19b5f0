/**
 * Reports the progress of long work to stderr. Results go to stdout.
 * progress-terminal.ts and progress-lines.ts show it.
 */
export interface Progress {
  /** Writes a line of its own. */
  note(text: string): void;
  /** Runs `work` as a named step and shows its start, latest status, end and duration. */
  step<T>(title: string, work: (step: Step) => Promise<T>): Promise<T>;
}

export interface Step {
  /** Sets what the step is doing now; it replaces the previous status. Cheap: call it thousands of times a second. */
  status(text: string): void;
  /** Sets what the step's last line says in addition to its title, e.g. "reused". */
  result(text: string): void;
}

/** Puts a label before each note and step, for several pieces of work at the same time. */
export const labelled = (progress: Progress, label: string): Progress => ({
  note: (text) => progress.note(`${label}: ${text}`),
  step: (title, work) => progress.step(`${label}: ${title}`, work),
});

/** Report nothing: for tests, and for callers that report in another way. */
export const silentStep: Step = { status: () => {}, result: () => {} };
export const silentProgress: Progress = {
  note: () => {},
  step: (_title, work) => work(silentStep),
};

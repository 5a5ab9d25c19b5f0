/**
 * Where long work tells of itself. Results go to stdout; all of this goes to stderr.
 * Not here: how it looks (progress-terminal.ts, progress-lines.ts).
 */
export interface Progress {
  /** A fact worth a line of its own. */
  note(text: string): void;
  /** Runs `work` as a named step and shows its start, latest status, end and duration. */
  step<T>(title: string, work: (step: Step) => Promise<T>): Promise<T>;
}

export interface Step {
  /** What the step is doing now; replaces the status before it. Cheap: may be called thousands of times a second. */
  status(text: string): void;
  /** What the step's last line should say besides its title, e.g. "reused". */
  result(text: string): void;
}

/** The same, with whose matter it is before each note and step: for several works side by side. */
export const labelled = (progress: Progress, label: string): Progress => ({
  note: (text) => progress.note(`${label}: ${text}`),
  step: (title, work) => progress.step(`${label}: ${title}`, work),
});

/** Say nothing: for tests and for callers that report in another way. */
export const silentStep: Step = { status: () => {}, result: () => {} };
export const silentProgress: Progress = {
  note: () => {},
  step: (_title, work) => work(silentStep),
};

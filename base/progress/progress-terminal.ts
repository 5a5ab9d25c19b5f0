/**
 * Progress on a terminal: running steps are redrawn in place, with a spinner, their status and their notes.
 * listr2 needs its tasks before it starts, but livelab's steps are not known then. So a list has one untitled root task
 * that runs as long as any step runs, and each step becomes a subtask of the step that called it.
 * progress-lines.ts does the same for logs and pipes.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import {
  DefaultRenderer,
  Listr,
  ListrLogger,
  type ListrTask,
  type ListrTaskWrapper,
  ProcessOutput,
  SilentRenderer,
} from "listr2";
import { formatDuration } from "../format.js";
import type { Progress, Step } from "./progress.js";

/** listr2 checks whether stdout is a terminal; create-progress.ts has already checked stderr. */
class StderrRenderer extends DefaultRenderer {
  static override nonTTY = true;
}

type Task = ListrTaskWrapper<unknown, typeof StderrRenderer, typeof StderrRenderer>;

/** Shortest time between two status updates of one step on the screen, in milliseconds. */
const STATUS_INTERVAL_MS = 100;

/** The list on the screen; `running` counts the steps in it. */
interface Drawing {
  readonly root: Promise<Task>;
  running: number;
  /** Lets the root task end. */
  finish(): void;
  /** Resolves when the last frame is drawn and the terminal is restored. */
  readonly ended: Promise<unknown>;
}

/** Keeps every note of a task on the screen, also after the task has ended. */
const keepNotes = { persistentOutput: true, outputBar: Number.POSITIVE_INFINITY };

export function createProgressTerminal(stderr: NodeJS.WriteStream, now: () => number): Progress {
  const current = new AsyncLocalStorage<Task>();
  let drawing: Drawing | undefined;
  let lastEnded: Promise<unknown> = Promise.resolve();

  function open(): Drawing {
    let root: (task: Task) => void = () => {};
    let finish: () => void = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const rootTask: ListrTask<unknown, typeof StderrRenderer> = {
      task: (_, task) => {
        root(task);
        return finished;
      },
    };
    const opened: Drawing = {
      root: new Promise((resolve) => {
        root = resolve;
      }),
      running: 0,
      finish,
      ended: lastEnded.then(() => draw(stderr, rootTask)),
    };
    lastEnded = opened.ended;
    return opened;
  }

  return {
    note(text) {
      const task = current.getStore();
      if (task !== undefined) task.output = text;
      else if (drawing !== undefined) void drawing.root.then((root) => (root.output = text));
      else stderr.write(`${text}\n`);
    },

    async step(title, work) {
      drawing ??= open();
      const mine = drawing;
      mine.running += 1;
      try {
        return await runStep(current.getStore() ?? (await mine.root), title, work);
      } finally {
        mine.running -= 1;
        if (mine.running === 0) {
          drawing = undefined;
          mine.finish();
          await mine.ended;
        }
      }
    },
  };

  async function runStep<T>(parent: Task, title: string, work: (step: Step) => Promise<T>): Promise<T> {
    let value: T | undefined;
    const list = parent.newListr({
      title,
      rendererOptions: keepNotes,
      task: async (_, task) => {
        value = await runTask(task, title, work);
      },
    });
    list.rendererClass = SilentRenderer; // the root's renderer draws it
    parent.task.subtasks = [...(parent.task.subtasks ?? []), ...list.tasks];
    await list.run();
    return value as T; // the task ran to its end, or run() threw
  }

  async function runTask<T>(task: Task, title: string, work: (step: Step) => Promise<T>): Promise<T> {
    const startedAt = now();
    let timer: NodeJS.Timeout | undefined;
    let status = "";
    let result = "";
    const step: Step = {
      status(text) {
        status = text;
        timer ??= setTimeout(() => {
          timer = undefined;
          task.title = `${title}: ${status}`;
        }, STATUS_INTERVAL_MS).unref();
      },
      result(text) {
        result = text;
      },
    };
    try {
      return await current.run(task, () => work(step));
    } finally {
      clearTimeout(timer);
      task.title = `${title}, ${formatDuration(now() - startedAt)}${result === "" ? "" : ` (${result})`}`;
    }
  }
}

/** Draws a list of one task until it ends. The cursor is restored even if the process exits before. */
async function draw(stderr: NodeJS.WriteStream, root: ListrTask<unknown, typeof StderrRenderer>): Promise<void> {
  const output = new ProcessOutput(stderr, stderr, { leaveEmptyLine: false });
  const giveBack = (): void => output.release();
  const list = new Listr<unknown, typeof StderrRenderer, typeof StderrRenderer>(
    [{ ...root, rendererOptions: { persistentOutput: true, bottomBar: Number.POSITIVE_INFINITY } }],
    {
      renderer: StderrRenderer,
      rendererOptions: {
        logger: new ListrLogger({ useIcons: true, toStderr: [], processOutput: output }),
        collapseSubtasks: false,
        showErrorMessage: false, // the caller prints the error, once
      },
      registerSignalListeners: false, // they would end the process before livelab cleans up
    },
  );
  process.once("exit", giveBack);
  try {
    await list.run();
  } finally {
    process.removeListener("exit", giveBack);
  }
}

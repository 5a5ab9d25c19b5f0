/** How a running command ends early: on a signal, or when standard output takes no more. */
import { watchOutput } from "../base/lost-output.js";
import { INTERRUPTED_STATUS } from "./exit-status.js";

/** Listens from now on. Call it once. @returns aborted when the command shall end, with an OutputLost if output is why */
export function listenForInterruption(): AbortSignal {
  const interruption = new AbortController();
  // Not `once`: execa raises a signal again that nobody listens for any more, and the end would not be tidy.
  let isInterrupted = false;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (isInterrupted) process.exit(INTERRUPTED_STATUS); // asked twice: machines die with us, folders are swept next time
      isInterrupted = true;
      interruption.abort(new Error(`livelab got ${name}`));
    });
  }
  watchOutput({ program: "livelab", onLost: (error) => interruption.abort(error) });
  return interruption.signal;
}

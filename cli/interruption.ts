/** Ends a running command early: on a signal, or when standard output can no longer be written. */
import { watchOutput } from "../base/lost-output.js";
import { INTERRUPTED_STATUS } from "./exit-status.js";

/** Listens from now on. Call it once. @returns aborted when the command must end; the reason is OutputLost for lost output */
export function listenForInterruption(): AbortSignal {
  const interruption = new AbortController();
  // Not `once`: execa raises a signal again if it has no listener left, and the clean-up would be cut short.
  let isInterrupted = false;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (isInterrupted) process.exit(INTERRUPTED_STATUS); // machines die with livelab, the next run removes folders
      isInterrupted = true;
      interruption.abort(new Error(`livelab got ${name}`));
    });
  }
  watchOutput({ program: "livelab", onLost: (error) => interruption.abort(error) });
  return interruption.signal;
}

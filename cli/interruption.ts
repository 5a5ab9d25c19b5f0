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
      // A second signal ends livelab at once: machines die with it, and the next run removes folders. But a closed terminal
      // sends several SIGHUP, from the kernel and from the shell.
      if (isInterrupted && name !== "SIGHUP") process.exit(INTERRUPTED_STATUS);
      isInterrupted = true;
      interruption.abort(new Error(`livelab got ${name}`));
    });
  }
  watchOutput({ program: "livelab", onLost: (error) => interruption.abort(error) });
  return interruption.signal;
}

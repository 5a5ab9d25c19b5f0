/**
 * Reads milestones, and refusals that end the boot, from the headnode's transcript.
 * milestones.ts reads them from the console.
 */

import type { Headnode } from "../headnode/headnode.js";
import type { HeadnodeRequest } from "../headnode/transcript.js";
import type { MilestoneEvent, MilestoneName } from "./milestones.js";

export interface HeadnodeListener {
  readonly onMilestone: (event: MilestoneEvent) => void;
  /** Called when the headnode refuses a file that the CN cannot boot without. */
  readonly onRefusal: (request: HeadnodeRequest) => void;
}

/** Reports all requests of the boot, from the first on. @returns a function that stops the reports */
export function followTranscript(
  { paths, transcript }: Pick<Headnode, "paths" | "transcript">,
  listener: HeadnodeListener,
): () => void {
  const milestoneOf = new Map<string, MilestoneName>([
    ...paths.loaders.map((path) => [path, "loader-fetch"] as const),
    [paths.script, "ipxe-script"],
    [paths.kernel, "kernel-fetch"],
    [paths.initrd, "initrd-fetch"],
    [paths.squashfs, "live-boot-fetch"],
  ]);
  const modulesLeft = new Set(paths.modules);
  return transcript.onRequest((request) => {
    const needed = milestoneOf.has(request.path) || paths.modules.includes(request.path);
    if (!needed || (request.method !== "GET" && request.method !== "RRQ")) return;
    if (request.status === 404) return listener.onRefusal(request);
    if (request.status !== 200 || !request.complete) return;
    modulesLeft.delete(request.path);
    const name = milestoneOf.get(request.path) ?? (modulesLeft.size === 0 ? "modules-fetch" : undefined);
    if (name === undefined) return;
    listener.onMilestone({
      name,
      atMs: request.timeMs + request.durationMs,
      detail: `${request.path}, ${request.bytesSent} bytes`,
    });
  });
}

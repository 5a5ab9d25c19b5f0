/**
 * What the headnode's transcript says of a boot: milestones, and answers that end it.
 * Not here: what the console says (milestones.ts).
 */

import type { Headnode } from "../headnode/headnode.js";
import type { HeadnodeRequest } from "../headnode/transcript.js";
import type { MilestoneEvent, MilestoneName } from "./milestones.js";

export interface HeadnodeListener {
  readonly onMilestone: (event: MilestoneEvent) => void;
  /** The CN was refused a file that it cannot boot without. */
  readonly onRefusal: (request: HeadnodeRequest) => void;
}

/** Tells of the boot from its first request. @returns a function that stops it */
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

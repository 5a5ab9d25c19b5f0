/**
 * Lets one process at a time do a piece of work, such as the set-up of one clone.
 * The claim is an abstract Unix socket: the kernel drops it with the process that holds it, however that one ends,
 * so there is no stale lock to find and no file to clean up.
 * Source: unix(7), "Abstract sockets".
 */
import { createHash } from "node:crypto";
import { connect, createServer } from "node:net";

/**
 * @template T
 * @param {string} subject what is claimed, e.g. the path of a clone
 * @param {() => void} onWait called once when another process holds the claim
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function oneAtATime(subject, onWait, work) {
  const path = `\0livelab-setup-${createHash("sha256").update(subject).digest("hex").slice(0, 32)}`;
  let claim = await tryClaim(path);
  if (claim === undefined) onWait();
  while (claim === undefined) {
    await holderGone(path);
    claim = await tryClaim(path);
  }
  try {
    return await work();
  } finally {
    claim.release();
  }
}

/** Undefined when another process holds the claim. */
function tryClaim(path) {
  return new Promise((resolve, reject) => {
    const waiters = new Set();
    const server = createServer((waiter) => {
      waiters.add(waiter);
      waiter.on("error", () => {}).on("close", () => waiters.delete(waiter));
    });
    const release = () => {
      server.close();
      for (const waiter of waiters) waiter.destroy();
    };
    server.once("error", (error) => (error.code === "EADDRINUSE" ? resolve(undefined) : reject(error)));
    server.listen(path, () => resolve({ release }));
  });
}

/** Resolves when the process that holds the claim lets go of it or ends. */
function holderGone(path) {
  return new Promise((resolve) => {
    connect(path)
      .on("error", () => {}) // it went between our try and now; "close" follows
      .on("close", resolve)
      .resume();
  });
}

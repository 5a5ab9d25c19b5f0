/**
 * The guest's virtio-serial port as a stream on which sshd speaks: the host's half of bases/serve-ssh.sh.
 * Not here: SSH itself (ssh-connection.ts), the guest's half.
 */
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { waitAtMost } from "../../base/wait-at-most.js";
import { VmError } from "../../vm/vm-error.js";

export interface GuestPortOptions {
  /** Longest wait for the guest's sshd, in milliseconds. */
  readonly limitMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The time for the guest's clock, in milliseconds since 1970. @default Date.now */
  readonly now?: (() => number) | undefined;
}

/** What the guest says before each session. */
const READY = "livelab ready\n";
/** How an SSH server begins (RFC 4253, 4.2). */
const BANNER = "SSH-2.0-";
/**
 * Ends what is left of an older session: sshd takes it for the length of an impossible packet, the serving shell for
 * a line that it answers.
 */
const NUDGE = `${" ".repeat(15)}\n`;
/**
 * A guest that serves says so at once. After such a silence, in milliseconds, the port is closed and opened again, for
 * an sshd that awaits the rest of a packet minds no nudge, but the end of the file. The next silence may be twice as
 * long: a busy host's guest needs its time too.
 */
const FIRST_SILENCE_MS = 1_000;
const LONGEST_SILENCE_MS = 8_000;
/** So long it stays closed, in milliseconds, that the guest notices. */
const CLOSED_MS = 100;
/** For sshd to start in an emulated guest, in milliseconds. */
const SSHD_MS = 10_000;
/** So much of what the guest sent last is quoted, in bytes. */
const QUOTED_BYTES = 200;

/**
 * Waits until the guest serves SSH on its port, sets the guest's clock on the way, and hands over the stream from
 * the first byte of sshd's banner on. Ends at once when the machine ends.
 * @param socketPath of a PortSpec; nobody else is connected to it
 * @throws VmError GUEST_SILENT at the limit, PORT_CLOSED when the machine is gone
 */
export async function openGuestPort(socketPath: string, options: GuestPortOptions): Promise<Duplex> {
  const { limitMs, signal, now = Date.now } = options;
  const done = new AbortController();
  let received = Buffer.alloc(0);
  const record = (chunk: Buffer): void => {
    received = Buffer.concat([received, chunk]).subarray(-QUOTED_BYTES);
  };
  const quoted = (): string =>
    received.length === 0 ? "nothing" : JSON.stringify(received.toString("latin1").trimStart());
  const opening = async (): Promise<Duplex> => {
    for (let silenceMs = FIRST_SILENCE_MS; ; silenceMs = Math.min(2 * silenceMs, LONGEST_SILENCE_MS)) {
      const socket = connect(socketPath);
      if (await hasBanner(socket, { now, record, silenceMs, signal: done.signal })) {
        if (!done.signal.aborted) return socket;
        socket.destroy(); // nobody waits any more
      }
      await sleep(CLOSED_MS, undefined, { signal: done.signal });
    }
  };
  try {
    signal?.throwIfAborted();
    return await waitAtMost(opening(), {
      limitMs,
      signal,
      onLimit: () =>
        new VmError("GUEST_SILENT", `the guest served no SSH on ${socketPath} in ${limitMs} ms; it sent: ${quoted()}`, {
          hint: "see what it wrote on its serial line, in ttyS0.log",
        }),
    });
  } catch (cause) {
    if (cause instanceof VmError || signal?.aborted === true) throw cause;
    const why = (cause as Error).message;
    throw new VmError("PORT_CLOSED", `the machine closed ${socketPath} (${why}); the guest had sent: ${quoted()}`, {
      hint: "see how the machine ended, in qemu.log and ttyS0.log",
      cause,
    });
  } finally {
    done.abort();
  }
}

interface Conversation {
  readonly now: () => number;
  readonly record: (chunk: Buffer) => void;
  /** For the guest to say that it is ready. */
  readonly silenceMs: number;
  /** Destroys the socket, as long as the banner has not come. */
  readonly signal: AbortSignal;
}

/**
 * Brings one connection to the server's banner, which is left in it.
 * @returns false when the guest kept silent, or QEMU could take no further connection; then the socket is destroyed
 * @throws Error when the socket ends or does not open
 */
async function hasBanner(socket: Socket, { now, record, silenceMs, signal }: Conversation): Promise<boolean> {
  const abort = (): void => void socket.destroy();
  signal.addEventListener("abort", abort);
  // Whoever gets the socket listens for errors himself, but not in between.
  socket.on("error", () => {});
  let silence: NodeJS.Timeout | undefined;
  let found = false;
  try {
    found = await new Promise<boolean>((resolve, reject) => {
      const armTimeout = (limitMs: number): void => {
        clearTimeout(silence);
        silence = setTimeout(() => resolve(false), limitMs);
      };
      let greeted = false;
      let text = Buffer.alloc(0);
      socket.on("error", (error: NodeJS.ErrnoException) => {
        // Connections that were given up still queue for a QEMU that had no turn since, and there is room for few
        // (unix(7), connect: EAGAIN; seen on a busy host).
        if (error.code === "EAGAIN") resolve(false);
        else reject(error);
      });
      socket.on("close", () => reject(new Error("end of the stream")));
      socket.on("data", (chunk: Buffer) => {
        record(chunk);
        text = Buffer.concat([text, chunk]);
        const ready = text.indexOf(READY);
        if (!greeted) armTimeout(silenceMs);
        if (!greeted && ready >= 0) {
          greeted = true;
          text = text.subarray(ready + READY.length);
          socket.write(`time ${(now() / 1000).toFixed(6)}\n`);
          armTimeout(SSHD_MS);
        }
        const banner = greeted ? text.indexOf(BANNER) : -1;
        if (banner < 0) return;
        socket.pause();
        socket.unshift(text.subarray(banner));
        resolve(true);
      });
      socket.write(NUDGE);
      armTimeout(silenceMs);
    });
    return found;
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", abort);
    if (found) socket.removeAllListeners("data");
    else socket.destroy();
  }
}

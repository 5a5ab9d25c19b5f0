/**
 * The guest's virtio-serial port as a stream to its sshd. serve-ssh.sh is the guest's half of the protocol; ssh-connection.ts
 * speaks SSH on the stream.
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

/** The guest sends this line before each session. */
const READY = "livelab ready\n";
/** The first bytes of an SSH server (RFC 4253, 4.2). */
const BANNER = "SSH-2.0-";
/**
 * Ends an older session: its sshd reads these bytes as the length of an impossible packet and exits. If no session is left,
 * serve-ssh.sh reads them as a line and answers it.
 */
const NUDGE = `${" ".repeat(15)}\n`;
/**
 * A guest that serves answers at once. After this silence, in milliseconds, the port is closed and opened again: an sshd that
 * waits for the rest of a packet ignores the nudge, but not the end of the file. The limit doubles each time, because the
 * guest of a busy host is slow.
 */
const FIRST_SILENCE_MS = 1_000;
const LONGEST_SILENCE_MS = 8_000;
/** How long the port stays closed, in milliseconds, so that the guest notices it. */
const CLOSED_MS = 100;
/** Time limit for sshd's start in an emulated guest, in milliseconds. */
const SSHD_MS = 10_000;
/** Number of the guest's last bytes that an error quotes. */
const QUOTED_BYTES = 200;

/**
 * Waits until the guest serves SSH on its port, and sets the guest's clock. Fails at once if the machine ends.
 * @param socketPath the socket of a PortSpec, with no other peer connected
 * @returns the stream, starting at the first byte of sshd's banner
 * @throws VmError GUEST_SILENT at the limit, PORT_CLOSED if the machine has ended
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
        socket.destroy(); // the caller has given up
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
          hint: "read the guest's serial output in ttyS0.log",
        }),
    });
  } catch (cause) {
    if (cause instanceof VmError || signal?.aborted === true) throw cause;
    const why = (cause as Error).message;
    throw new VmError("PORT_CLOSED", `the machine closed ${socketPath} (${why}); the guest had sent: ${quoted()}`, {
      hint: "read how the machine ended in qemu.log and ttyS0.log",
      cause,
    });
  } finally {
    done.abort();
  }
}

interface Conversation {
  readonly now: () => number;
  readonly record: (chunk: Buffer) => void;
  /** Longest silence before the guest is ready, in milliseconds. */
  readonly silenceMs: number;
  /** Destroys the socket if the banner has not arrived. */
  readonly signal: AbortSignal;
}

/**
 * Advances one connection to the server's banner, which stays in the socket.
 * @returns false if the guest was silent, or if QEMU could not accept another connection; then the socket is destroyed
 * @throws Error if the socket closes or does not open
 */
async function hasBanner(socket: Socket, { now, record, silenceMs, signal }: Conversation): Promise<boolean> {
  const abort = (): void => void socket.destroy();
  signal.addEventListener("abort", abort);
  // Later the caller listens for errors. This listener covers the time until then.
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
        // Abandoned connections stay in the queue until QEMU accepts them, and the queue is short (unix(7), connect: EAGAIN;
        // seen on a busy host).
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

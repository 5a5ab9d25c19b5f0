/**
 * SSH over a byte stream (DESIGN D1): one connection runs commands with separate stdout, stderr and status, opens terminals,
 * and forwards ports in reverse. The far end is `sshd -i` on a pipe or a virtio-serial port.
 * Sources: RFC 4254 (exec, exit-status, exit-signal, tcpip-forward); sshd(8) "-i".
 */
import { generateKeyPairSync } from "node:crypto";
import { setMaxListeners } from "node:events";
import { type Duplex, type Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import ssh2 from "ssh2";
import { LivelabError, type LivelabErrorOptions } from "../../base/livelab-error.js";
import { enterRawMode } from "../../base/raw-mode.js";
import { waitAtMost } from "../../base/wait-at-most.js";

/** The channel failed, not the command and not the guest. */
export class SshError extends LivelabError {
  override readonly name = "SshError";
  override readonly kind = "internal";
  readonly code: "HANDSHAKE_FAILED" | "CONNECTION_LOST" | "EXEC_REFUSED" | "FORWARD_REFUSED";

  constructor(code: SshError["code"], message: string, options: LivelabErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}

/** A key pair in formats that sshd and ssh2 both read: PEM (SEC 1, RFC 5915) and an authorized_keys line (RFC 5656). */
export interface SshKeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/**
 * Makes an ECDSA P-256 pair, a new one for each machine.
 * It does not use ssh2's own generator: one in 200 of its Ed25519 keys cannot be read back (measured, ssh2 1.17.0).
 */
export function generateSshKeyPair(): SshKeyPair {
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "prime256v1",
    privateKeyEncoding: { type: "sec1", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const parsed = ssh2.utils.parseKey(privateKey);
  if (parsed instanceof Error) throw parsed;
  return { privateKey, publicKey: `${parsed.type} ${parsed.getPublicSSH().toString("base64")}` };
}

export interface ExecOptions {
  /** The command's standard input, sent as fast as the command reads it. @default an empty input */
  readonly stdin?: Readable | string;
  /** Receives standard output, as fast as it accepts it, instead of the result. exec() does not end it. */
  readonly stdout?: Writable;
  /** Called with each chunk of standard error, which the result contains as well. */
  readonly onStderr?: (chunk: Buffer) => void;
  readonly signal?: AbortSignal;
}

/** The caller's terminal, for an interactive command. */
export interface UserTerminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** Its type ($TERM). */
  readonly term: string;
  /** Ends the command. */
  readonly signal: AbortSignal;
}

/** How a command ended. If a signal killed it, the status is 128: the protocol transmits the signal's name, not its number. */
export interface ExecResult {
  readonly status: number;
  /** Name of the signal that ended the command, without "SIG", or undefined. */
  readonly killedBy: string | undefined;
  /** The whole standard output, or empty if `stdout` was given. */
  readonly stdout: Buffer;
  /** The last 256 KiB of standard error. */
  readonly stderr: string;
}

type CommandExit = Pick<ExecResult, "status" | "killedBy">;

interface OpenedCommand {
  readonly channel: ssh2.ClientChannel;
  /** How the command ended; undefined until the far end has reported it. */
  readonly exit: () => CommandExit | undefined;
}

/** Longest wait for the far end to close, in milliseconds. */
const CLOSE_TIMEOUT_MS = 2_000;
/** Longest wait for the far end to start a command or to say whether it listens, in milliseconds. */
const REQUEST_TIMEOUT_MS = 120_000;
/** After this number of keepalive intervals without data the far end counts as gone. */
const SILENT_TIMES = 24;
const STDERR_KEPT_BYTES = 256 * 1024;
/** Status of a command whose terminal was closed: that of SIGHUP, as in shells. */
const HANGUP_STATUS = 129;

const ANSWERED_IN_TIME = {
  limitMs: REQUEST_TIMEOUT_MS,
  onLimit: () => new Error(`no answer in ${REQUEST_TIMEOUT_MS} ms`),
};

export interface SshConnectOptions {
  readonly username: string;
  readonly privateKey: string;
  /** The server's public key in OpenSSH format. Any other key is refused. */
  readonly hostKey: string;
  /** Longest wait for the handshake, in milliseconds. @default 20_000 */
  readonly handshakeTimeoutMs?: number;
  /**
   * Interval in milliseconds at which the far end is asked for an answer. If no data arrives in 24 intervals, the connection
   * is closed. @default never: a pipe closes when its process ends
   */
  readonly keepaliveMs?: number;
  readonly signal?: AbortSignal;
}

export class SshConnection implements AsyncDisposable {
  /** Resolves when the connection is gone, with the reason if one is known. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  readonly #client: ssh2.Client;
  readonly #stream: Duplex;
  /** Aborted when the connection is gone. Unlike the callbacks of a promise, its listeners can be removed. */
  readonly #gone = new AbortController();
  /** Ports on which the far end listens, with the function that accepts the connections of each. */
  readonly #forwards = new Map<number, { accept: (stream: Duplex) => void; readonly listening: Promise<void> }>();

  private constructor(client: ssh2.Client, stream: Duplex) {
    this.#client = client;
    this.#stream = stream;
    // Every running command adds a listener.
    setMaxListeners(0, this.#gone.signal, stream);
    // One listener for all ports: a listener per port would also receive the connections of the other ports.
    client.on("tcp connection", ({ destPort }, accept, reject) => {
      const forward = this.#forwards.get(destPort);
      if (forward === undefined) reject();
      else forward.accept(accept());
    });
    this.closed = new Promise((resolve) => {
      let reason: Error | undefined;
      const gone = (): void => {
        resolve(reason);
        this.#gone.abort(reason ?? new Error("the far end closed the stream"));
      };
      client.on("error", (error) => {
        reason ??= error;
        // Every error of ssh2 is final. After invalid data ssh2 only half-closes the stream and stops reading, so destroy it.
        stream.destroy();
      });
      client.on("close", gone);
      // ssh2 emits no event if its stream is destroyed.
      stream.on("close", gone);
      // ssh2 removes its listeners at its end, but a pipe may fail after that.
      stream.on("error", (error) => {
        reason ??= error;
      });
    });
  }

  /** Opens an SSH session over `stream`. @throws SshError HANDSHAKE_FAILED */
  static async connect(stream: Duplex, options: SshConnectOptions): Promise<SshConnection> {
    const client = new ssh2.Client();
    const connection = new SshConnection(client, stream);
    const expected = Buffer.from(options.hostKey.split(" ")[1] ?? "", "base64");
    const onAbort = (): void => {
      stream.destroy();
    };
    options.signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        client.once("ready", resolve);
        client.once("error", reject);
        client.once("close", () => reject(new Error("the far end closed the stream")));
        client.connect({
          sock: stream,
          username: options.username,
          privateKey: options.privateKey,
          hostVerifier: (key: Buffer) => key.equals(expected),
          readyTimeout: options.handshakeTimeoutMs ?? 20_000,
          keepaliveInterval: options.keepaliveMs ?? 0,
          // ssh2 counts only keepalive answers, which are late behind much data (measured: 50 uploads at once).
          keepaliveCountMax: Number.POSITIVE_INFINITY,
          algorithms: { cipher: ["aes128-gcm@openssh.com"], compress: ["none"] },
        });
      });
    } catch (cause) {
      stream.destroy();
      options.signal?.throwIfAborted();
      throw new SshError("HANDSHAKE_FAILED", `cannot open an SSH session: ${(cause as Error).message}`, { cause });
    } finally {
      options.signal?.removeEventListener("abort", onAbort);
    }
    if (options.keepaliveMs !== undefined) connection.#endWhenSilent(options.keepaliveMs * SILENT_TIMES);
    return connection;
  }

  /**
   * Runs a command line in the far end's login shell.
   * A status other than 0 is a result, not an error. If `stdin` or `stdout` fails, exec() closes the command's channel and
   * throws that error.
   * @throws SshError EXEC_REFUSED; CONNECTION_LOST if the connection ends before the far end has sent the status
   */
  async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    const { stdin, stdout, onStderr } = options;
    // Ends the pipe into the command, and removes every listener from objects that outlive the command.
    const done = new AbortController();
    const broken = new AbortController();
    // A failed reader or writer (e.g. a full disk) ends the command: half an input must not pass as the whole. Listen before
    // the first await: a file that cannot be opened fails at once, and its own error has to be thrown.
    for (const stream of [stdin, stdout]) {
      if (stream === undefined || typeof stream === "string") continue;
      const fail = (error: Error): void => broken.abort(error);
      if (stream.errored) fail(stream.errored);
      stream.on("error", fail);
      // Keep the listener on the input: it may still fail after exec() has ended.
      if (stream === stdout) done.signal.addEventListener("abort", () => stream.off("error", fail));
    }
    const signal = options.signal === undefined ? broken.signal : AbortSignal.any([options.signal, broken.signal]);
    const { channel, exit } = await this.#open(command, {}, signal).catch((error) => {
      done.abort();
      throw error;
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let errBytes = 0;
    channel.stderr.on("data", (chunk: Buffer) => {
      onStderr?.(chunk);
      err.push(chunk);
      errBytes += chunk.length;
      while (errBytes - (err[0]?.length ?? 0) > STDERR_KEPT_BYTES) errBytes -= err.shift()?.length ?? 0;
    });
    try {
      const { status, killedBy } = await new Promise<CommandExit>((resolve, reject) => {
        const lost = (): void => reject(this.#lostDuring(command));
        // ssh2 also closes the channels of a lost connection. Their output may be incomplete, even with a status.
        channel.on("close", () => {
          const ended = exit();
          if (ended === undefined || this.#gone.signal.aborted) lost();
          else resolve(ended);
        });
        this.#gone.signal.addEventListener("abort", lost, { signal: done.signal });
        // Do not wait for an aborted command: a channel without a reader never closes.
        signal.addEventListener("abort", () => reject(signal.reason), { signal: done.signal });
        if (signal.aborted) reject(signal.reason);

        if (stdout === undefined) channel.on("data", (chunk: Buffer) => out.push(chunk));
        else channel.pipe(stdout, { end: false });
        if (stdin === undefined || typeof stdin === "string") channel.end(stdin ?? "");
        else {
          // Ignore errors: the command may end before it has read all of its input, and its status says why.
          pipeline(stdin, this.#inputOf(channel), { signal: done.signal }).catch(() => undefined);
        }
      });
      return { status, killedBy, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString("utf8") };
    } finally {
      done.abort();
      if (stdout !== undefined) channel.unpipe(stdout);
      channel.destroy();
    }
  }

  /**
   * Makes the far end listen on 127.0.0.1:`port`, and passes each connection to `accept` (RFC 4254, 7.1).
   * A second call for the same port replaces its `accept`.
   * @throws SshError FORWARD_REFUSED
   */
  async forwardFrom(port: number, accept: (stream: Duplex) => void): Promise<void> {
    const there = this.#forwards.get(port);
    if (there !== undefined) {
      there.accept = accept;
      return there.listening;
    }
    const forward = { accept, listening: this.#listenOn(port) };
    this.#forwards.set(port, forward);
    await forward.listening.catch((error) => {
      this.#forwards.delete(port);
      throw error;
    });
  }

  async #listenOn(port: number): Promise<void> {
    const listening = new Promise<void>((resolve, reject) => {
      this.#client.forwardIn("127.0.0.1", port, (error) => (error ? reject(error) : resolve()));
    });
    await waitAtMost(listening, { ...ANSWERED_IN_TIME, signal: this.#gone.signal }).catch((cause: Error) => {
      throw new SshError("FORWARD_REFUSED", `the machine cannot listen on port ${port}: ${cause.message}`, {
        cause,
      });
    });
  }

  /**
   * Runs a command on a pty of the far end, connected to a terminal. If the terminal is closed, the command gets SIGHUP.
   * @returns the command's status; 129 if the terminal was closed
   * @throws SshError EXEC_REFUSED; CONNECTION_LOST if the connection ends before the far end has sent the status; the signal's
   * reason when it is aborted
   */
  async terminal(command: string, { stdin, stdout, term, signal }: UserTerminal): Promise<number> {
    // A terminal without a known size reports 0 by 0, on which programs draw nothing.
    const size = (): { rows: number; cols: number } => ({ rows: stdout.rows || 24, cols: stdout.columns || 80 });
    const { channel, exit } = await this.#open(command, { pty: { term, ...size() } }, signal);
    const done = new AbortController();
    const onResize = (): void => channel.setWindow(size().rows, size().cols, 0, 0);
    stdout.on("resize", onResize);
    const rawMode = enterRawMode(stdin);
    try {
      return await new Promise<number>((resolve, reject) => {
        const lost = (): void => reject(this.#lostDuring(command));
        channel.once("close", () => {
          const ended = exit();
          if (ended === undefined) lost();
          else resolve(ended.status);
        });
        this.#gone.signal.addEventListener("abort", lost, { signal: done.signal });
        const onAbort = (): void => reject(signal.reason);
        signal.addEventListener("abort", onAbort, { signal: done.signal });
        if (signal.aborted) onAbort();
        // In raw mode no key is an end of the input.
        const onClosed = (): void => resolve(HANGUP_STATUS);
        if (stdin.isTTY) for (const event of ["end", "close"]) stdin.once(event, onClosed);
        done.signal.addEventListener("abort", () => {
          for (const event of ["end", "close"]) stdin.off(event, onClosed);
        });
        stdin.pipe(channel);
        channel.pipe(stdout, { end: false });
      });
    } finally {
      done.abort();
      rawMode[Symbol.dispose]();
      stdin.unpipe(channel);
      stdin.pause();
      stdout.off("resize", onResize);
      channel.unpipe(stdout);
      channel.destroy();
    }
  }

  #lostDuring(command: string): SshError {
    const { aborted, reason: cause } = this.#gone.signal;
    const why = aborted ? (cause as Error).message : "the channel closed without a status";
    return new SshError("CONNECTION_LOST", `lost the connection while the machine ran \`${command}\`: ${why}`, {
      cause,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.end();
    await waitAtMost(this.closed, { limitMs: CLOSE_TIMEOUT_MS });
    this.#stream.destroy();
  }

  /**
   * A writer for a command's input that is as slow as the connection. ssh2 itself buffers data that the connection does not
   * accept yet: 4 MiB per command (measured: 170 MB for 50 uploads).
   */
  #inputOf(channel: ssh2.ClientChannel): Writable {
    return new Writable({
      write: (chunk, _encoding, done) => {
        channel.write(chunk, () => {
          if (this.#stream.writableNeedDrain) this.#stream.once("drain", () => done());
          else done();
        });
      },
      final: (done) => {
        channel.end();
        done();
      },
    });
  }

  #endWhenSilent(limitMs: number): void {
    // It counts intervals, not time: livelab may be stopped (Ctrl-Z).
    let silentTimes = 0;
    this.#stream.on("data", () => {
      silentTimes = 0;
    });
    const timer = setInterval(() => {
      silentTimes += 1;
      if (silentTimes <= SILENT_TIMES) return;
      this.#stream.destroy(new Error(`the far end sent nothing in ${limitMs} ms`));
    }, limitMs / SILENT_TIMES);
    this.closed.then(() => clearInterval(timer));
  }

  /** Starts a command. @throws SshError EXEC_REFUSED, CONNECTION_LOST */
  async #open(command: string, options: ssh2.ExecOptions, signal?: AbortSignal): Promise<OpenedCommand> {
    signal?.throwIfAborted();
    const opening = new Promise<OpenedCommand>((resolve, reject) => {
      this.#client.exec(command, options, (error, channel) => {
        if (error) return reject(error);
        // Listen at once: start and end of a command may arrive in one chunk, before the caller can listen.
        let exit: CommandExit | undefined;
        channel.on("exit", (code: number | null, signalName?: string) => {
          exit = { status: code ?? 128, killedBy: signalName?.replace(/^SIG/, "") };
        });
        resolve({ channel, exit: () => exit });
      });
    });
    const gone = this.#gone.signal;
    try {
      return await waitAtMost(opening, {
        ...ANSWERED_IN_TIME,
        signal: signal === undefined ? gone : AbortSignal.any([signal, gone]),
      });
    } catch (cause) {
      // The command may still start. Close its channel.
      opening.then(({ channel }) => channel.destroy()).catch(() => undefined);
      signal?.throwIfAborted();
      const [code, what] = gone.aborted
        ? (["CONNECTION_LOST", "lost the connection before the machine ran"] as const)
        : (["EXEC_REFUSED", "the machine cannot start"] as const);
      throw new SshError(code, `${what} \`${command}\`: ${(cause as Error).message}`, { cause });
    }
  }
}

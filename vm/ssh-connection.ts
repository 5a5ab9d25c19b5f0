/**
 * SSH over a byte stream (DESIGN D1): one connection gives commands with separate stdout, stderr and status,
 * terminals, and reverse port forwarding. The far end is `sshd -i` on a pipe or a virtio-serial port.
 * Sources: RFC 4254 (exec, exit-status, exit-signal, tcpip-forward); sshd(8) "-i".
 * Not here: what runs at the far end (builder/machines).
 */
import { generateKeyPairSync } from "node:crypto";
import type { Duplex, Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import ssh2 from "ssh2";
import { LivelabError, type LivelabErrorOptions } from "./livelab-error.js";

/** The channel itself broke: not the command, not the guest. */
export class SshError extends LivelabError {
  override readonly name = "SshError";
  override readonly kind = "internal";
  readonly code: "HANDSHAKE_FAILED" | "CONNECTION_LOST" | "EXEC_REFUSED" | "FORWARD_REFUSED";

  constructor(code: SshError["code"], message: string, options: LivelabErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}

/** A key pair as sshd and ssh2 both read it: PEM (SEC 1, RFC 5915) and an authorized_keys line (RFC 5656). */
export interface SshKeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/**
 * A fresh ECDSA P-256 pair; made for each machine and never used again.
 * Not by ssh2's own generator: one in 200 of its Ed25519 keys cannot be read again (measured, ssh2 1.17.0).
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
  /** Fed to the command's standard input. @default an empty input */
  readonly stdin?: Readable | string;
  /** Receives standard output as it comes; what goes there is not collected. */
  readonly stdout?: Writable;
  /** Called with each chunk of standard error, besides its being collected. */
  readonly onStderr?: (chunk: Buffer) => void;
  readonly signal?: AbortSignal;
}

/** How a command ended. One killed by a signal has status 128 and the signal's name: the protocol tells no number. */
export interface ExecResult {
  readonly status: number;
  /** Name of the signal that ended the command, without "SIG", or undefined. */
  readonly killedBy: string | undefined;
  /** Whole standard output, unless `stdout` was given. */
  readonly stdout: Buffer;
  /** The last 256 KiB of standard error. */
  readonly stderr: string;
}

/** Longest wait for the far end to close, in milliseconds. */
const CLOSE_TIMEOUT_MS = 2_000;
/** Longest wait for the far end to say whether it listens, in milliseconds. */
const FORWARD_TIMEOUT_MS = 20_000;
const STDERR_KEPT_BYTES = 256 * 1024;

export interface SshConnectOptions {
  readonly username: string;
  readonly privateKey: string;
  /** The server's public key in OpenSSH format; any other is refused. */
  readonly hostKey: string;
  /** Longest wait for the handshake, in milliseconds. @default 20_000 */
  readonly handshakeTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

export class SshConnection implements AsyncDisposable {
  /** Resolves, with the reason if there was one, when the connection is gone; never rejects. */
  readonly closed: Promise<Error | undefined>;
  readonly #client: ssh2.Client;

  private constructor(client: ssh2.Client, stream: Duplex) {
    this.#client = client;
    this.closed = new Promise((resolve) => {
      let reason: Error | undefined;
      client.on("error", (error) => {
        reason ??= error;
      });
      client.on("close", () => resolve(reason));
      // A stream that was destroyed under it makes ssh2 say nothing.
      stream.on("close", () => resolve(reason));
      // ssh2 stops listening when it is done, but a pipe may break after that.
      stream.on("error", (error) => {
        reason ??= error;
      });
    });
  }

  /** Shakes hands over `stream`. @throws SshError HANDSHAKE_FAILED */
  static async connect(stream: Duplex, options: SshConnectOptions): Promise<SshConnection> {
    const client = new ssh2.Client();
    const connection = new SshConnection(client, stream);
    const expected = Buffer.from(options.hostKey.split(" ")[1] ?? "", "base64");
    const onAbort = (): void => {
      client.destroy();
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
          keepaliveInterval: 0,
          algorithms: { cipher: ["aes128-gcm@openssh.com"], compress: ["none"] },
        });
      });
    } catch (cause) {
      client.destroy();
      options.signal?.throwIfAborted();
      throw new SshError("HANDSHAKE_FAILED", `no SSH session came up: ${(cause as Error).message}`, { cause });
    } finally {
      options.signal?.removeEventListener("abort", onAbort);
    }
    return connection;
  }

  /**
   * Runs a command line in the far end's login shell.
   * A status other than 0 is a result, not an error.
   * @throws SshError CONNECTION_LOST when the far end went away before it told the status
   */
  async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    options.signal?.throwIfAborted();
    const channel = await new Promise<ssh2.ClientChannel>((resolve, reject) => {
      this.closed.then((reason) => reject(reason ?? new Error("the connection is closed")));
      this.#client.exec(command, (error, opened) => (error ? reject(error) : resolve(opened)));
    }).catch((cause: Error) => {
      throw new SshError("EXEC_REFUSED", `could not start \`${command}\`: ${cause.message}`, { cause });
    });
    const ended = new Promise<{ status: number | null; killedBy: string | undefined } | undefined>((resolve) => {
      let exit: { status: number | null; killedBy: string | undefined } | undefined;
      channel.on("exit", (status: number | null, signalName?: string) => {
        exit = { status, killedBy: signalName?.replace(/^SIG/, "") };
      });
      channel.on("close", () => resolve(exit));
      this.closed.then(() => resolve(exit));
    });
    // What is given up is not waited for: a channel that nobody reads from never closes.
    let giveUp: (reason: unknown) => void = () => {};
    const givenUp = new Promise<never>((_, reject) => {
      giveUp = (reason) => {
        channel.destroy();
        reject(reason);
      };
    });
    const onAbort = (): void => giveUp(options.signal?.reason);
    options.signal?.addEventListener("abort", onAbort, { once: true });

    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let errBytes = 0;
    channel.stderr.on("data", (chunk: Buffer) => {
      options.onStderr?.(chunk);
      err.push(chunk);
      errBytes += chunk.length;
      while (errBytes - (err[0]?.length ?? 0) > STDERR_KEPT_BYTES) errBytes -= err.shift()?.length ?? 0;
    });
    // A writer that fails (a full disk) ends the command; its own error is the one to tell.
    if (options.stdout === undefined) channel.on("data", (chunk: Buffer) => out.push(chunk));
    else {
      channel.pipe(options.stdout, { end: false });
      options.stdout.on("error", giveUp);
    }

    // The command may end without reading all its input: that shows in its status, not here.
    if (options.stdin === undefined || typeof options.stdin === "string") channel.end(options.stdin ?? "");
    else pipeline(options.stdin, channel).catch(() => undefined);

    let exit: Awaited<typeof ended>;
    try {
      exit = await Promise.race([ended, givenUp]);
    } finally {
      options.signal?.removeEventListener("abort", onAbort);
    }
    if (exit === undefined) {
      throw new SshError("CONNECTION_LOST", `the machine went away while it ran \`${command}\``);
    }
    return {
      status: exit.status ?? 128,
      killedBy: exit.killedBy,
      stdout: Buffer.concat(out),
      stderr: Buffer.concat(err).toString("utf8"),
    };
  }

  /**
   * Asks the far end to listen on 127.0.0.1:`port` and hands each connection made there to `accept` (RFC 4254, 7.1).
   * @throws SshError FORWARD_REFUSED
   */
  async forwardFrom(port: number, accept: (stream: Duplex) => void): Promise<void> {
    this.#client.on("tcp connection", (_details, acceptChannel) => accept(acceptChannel()));
    await new Promise<void>((resolve, reject) => {
      setTimeout(() => reject(new Error(`no answer in ${FORWARD_TIMEOUT_MS} ms`)), FORWARD_TIMEOUT_MS).unref();
      this.closed.then((reason) => reject(reason ?? new Error("the connection is closed")));
      this.#client.forwardIn("127.0.0.1", port, (error) => (error ? reject(error) : resolve()));
    }).catch((cause: Error) => {
      throw new SshError("FORWARD_REFUSED", `the machine would not listen on port ${port}: ${cause.message}`, {
        cause,
      });
    });
  }

  /** Joins a terminal to a command run on a pty of the far end. @returns the command's status */
  async terminal(
    command: string,
    terminal: { stdin: NodeJS.ReadStream; stdout: NodeJS.WriteStream; term: string },
  ): Promise<number> {
    const { stdin, stdout, term } = terminal;
    const size = (): { rows: number; cols: number } => ({ rows: stdout.rows ?? 24, cols: stdout.columns ?? 80 });
    const channel = await new Promise<ssh2.ClientChannel>((resolve, reject) => {
      this.#client.exec(command, { pty: { term, ...size() } }, (error, opened) =>
        error ? reject(error) : resolve(opened),
      );
    });
    let status = 128;
    channel.on("exit", (code: number | null) => {
      status = code ?? 128;
    });
    const onResize = (): void => channel.setWindow(size().rows, size().cols, 0, 0);
    stdout.on("resize", onResize);
    if (stdin.isTTY) stdin.setRawMode(true);
    stdin.pipe(channel);
    channel.pipe(stdout, { end: false });
    try {
      await Promise.race([new Promise<void>((resolve) => channel.once("close", () => resolve())), this.closed]);
    } finally {
      if (stdin.isTTY) stdin.setRawMode(false);
      stdin.unpipe(channel);
      stdin.pause();
      stdout.off("resize", onResize);
    }
    return status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.end();
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
    });
    await Promise.race([this.closed, patience]);
    clearTimeout(timer);
    this.#client.destroy();
  }
}

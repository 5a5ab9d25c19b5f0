/**
 * A port of the wire: a socket that one QEMU network back end plugs into. wire.ts forwards the frames.
 */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { FramingError, RecordSplitter } from "./frame-stream.js";

/** Limit of the send queue in bytes. Frames beyond it are dropped, as on a real wire, if the guest does not read. */
const QUEUE_LIMIT_BYTES = 8 * 1024 * 1024;

export interface WirePortOptions {
  /** Receives each record, a frame with its length in front. */
  readonly onRecord: (record: Buffer, port: WirePort) => void;
  /** Receives an error of `onRecord`. The frame is lost, the port goes on. */
  readonly onDefect: (error: Error) => void;
}

export class WirePort implements AsyncDisposable {
  readonly socketPath: string;
  readonly #server: Server;
  readonly #options: WirePortOptions;
  #socket: Socket | undefined;
  /** Records to write at the end of this turn; records adjacent in memory are joined. */
  #pending: Buffer[] = [];

  private constructor(server: Server, socketPath: string, options: WirePortOptions) {
    this.#server = server;
    this.socketPath = socketPath;
    this.#options = options;
    server.on("connection", (socket) => this.#plugIn(socket));
  }

  /** @param socketPath an unused path of at most 107 bytes */
  static async open(socketPath: string, options: WirePortOptions): Promise<WirePort> {
    const server = createServer();
    server.maxConnections = 1;
    const port = new WirePort(server, socketPath, options);
    server.listen(socketPath);
    await once(server, "listening");
    return port;
  }

  get isPlugged(): boolean {
    return this.#socket !== undefined;
  }

  /** @param record a frame with its length in front; must not be changed later */
  send(record: Buffer): void {
    const socket = this.#socket;
    if (socket === undefined || socket.writableLength > QUEUE_LIMIT_BYTES) return;
    if (this.#pending.length === 0) queueMicrotask(() => this.#flush());
    const last = this.#pending.at(-1);
    if (last !== undefined && last.buffer === record.buffer && last.byteOffset + last.length === record.byteOffset) {
      const joined = Buffer.from(last.buffer, last.byteOffset, last.length + record.length);
      this.#pending[this.#pending.length - 1] = joined;
    } else {
      this.#pending.push(record);
    }
  }

  #flush(): void {
    const pending = this.#pending.splice(0);
    const socket = this.#socket;
    if (socket === undefined) return;
    socket.cork();
    for (const bytes of pending) socket.write(bytes);
    socket.uncork();
  }

  #plugIn(socket: Socket): void {
    this.#socket = socket;
    const splitter = new RecordSplitter();
    socket.on("data", (chunk) => {
      try {
        splitter.push(chunk, (record) => this.#handOn(record));
      } catch (error) {
        if (!(error instanceof FramingError)) throw error;
        socket.destroy();
      }
    });
    socket.on("error", () => {}); // the machine's own exit reports the failure of QEMU
    socket.on("close", () => {
      this.#socket = undefined;
    });
  }

  #handOn(record: Buffer): void {
    const { onRecord, onDefect } = this.#options;
    try {
      onRecord(record, this);
    } catch (error) {
      onDefect(error as Error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket?.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }
}

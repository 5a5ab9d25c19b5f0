/** The host's end of a machine's serial port: a ByteLine on a pty or a serial device. */
import { fstatSync } from "node:fs";
import type { SerialPort } from "serialport";
import { VmError } from "../vm-error.js";
import type { ByteLine } from "./byte-line.js";

/** Interval of the checks whether the far side still exists, in milliseconds. */
const HANGUP_CHECK_MS = 100;

export class SerialLine implements ByteLine {
  readonly closed: Promise<void>;
  readonly #port: SerialPort;

  private constructor(port: SerialPort) {
    this.#port = port;
    // serialport 13 misses a hangup while it does not read, and loops for ever if the hangup occurs during a read: it then
    // always reads 0 bytes (unix-read.js). The link count of a removed device is 0.
    const watch = setInterval(() => {
      const fd = port.port?.fd;
      if (typeof fd === "number" && fstatSync(fd).nlink === 0 && port.isOpen && !port.closing) port.close();
    }, HANGUP_CHECK_MS);
    this.closed = new Promise((resolve) => {
      port.once("close", () => {
        clearInterval(watch);
        resolve();
      });
    });
    // An error on an open line closes it: writes fail, and `closed` resolves.
    port.on("error", () => {
      if (port.isOpen && !port.closing) port.close();
    });
  }

  /**
   * Opens a device raw at 115200 baud, exclusively. Without a listener, received bytes stay in the line.
   * @param path e.g. "/dev/pts/5"
   * @throws VmError LINE_NOT_OPENED
   */
  static async open(path: string): Promise<SerialLine> {
    const { SerialPort } = await import("serialport"); // 70 files, which most commands of livelab do not need
    const port = new SerialPort({ path, baudRate: 115_200, autoOpen: false });
    await new Promise<void>((resolve, reject) => {
      port.open((cause) => {
        if (cause === null) resolve();
        else reject(new VmError("LINE_NOT_OPENED", `cannot open the serial line ${path}: ${cause.message}`, { cause }));
      });
    });
    return new SerialLine(port);
  }

  onData(listener: (chunk: Buffer) => void): () => void {
    this.#port.on("data", listener);
    this.#port.resume();
    return () => {
      this.#port.off("data", listener);
      if (this.#port.listenerCount("data") === 0) this.#port.pause();
    };
  }

  write(data: Uint8Array | string): Promise<void> {
    const lineClosed = (cause?: unknown) =>
      new VmError("LINE_CLOSED", `the serial line ${this.#port.path} is closed`, { cause });
    return new Promise((resolve, reject) => {
      // A closed port would keep the data until it is opened again.
      if (!this.#port.isOpen) return reject(lineClosed());
      void this.closed.then(() => reject(lineClosed()));
      this.#port.write(Buffer.from(data), (cause) => (cause ? reject(lineClosed(cause)) : resolve()));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#port.isOpen && !this.#port.closing) this.#port.close();
    await this.closed;
  }
}

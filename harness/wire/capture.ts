/**
 * What went over the wire, as a file that packet analysers open.
 * Source: the libpcap file format (draft-ietf-opsawg-pcap).
 */
import { createWriteStream, type WriteStream } from "node:fs";
import { openLog } from "../open-log.js";
import { etherTypes } from "./ethernet.js";
import { ipProtocols } from "./ipv4-packet.js";

/** Bytes in the file at most: a guest gone wild fills no disk. */
const LIMIT_BYTES = 64 * 1024 * 1024;
const LINK_TYPE_ETHERNET = 1;
const LONGEST_FRAME = 262_144;
/** Of UDP only TFTP's blocks have longer frames, in bytes. */
const LONGEST_TALK = 1_024;

export class Capture implements AsyncDisposable {
  readonly #file: WriteStream;
  #bytes = 0;

  private constructor(file: WriteStream) {
    this.#file = file;
    // A disk that is full costs the capture, not the boot.
    file.on("error", () => {});
  }

  /** @param path replaced if it is there @throws HarnessError LOG_NOT_WRITABLE */
  static create(path: string): Capture {
    const file = createWriteStream(path, { fd: openLog(path) });
    const header = Buffer.alloc(24);
    header.writeUInt32LE(0xa1b2c3d4, 0);
    header.writeUInt16LE(2, 4);
    header.writeUInt16LE(4, 6);
    header.writeUInt32LE(LONGEST_FRAME, 16);
    header.writeUInt32LE(LINK_TYPE_ETHERNET, 20);
    file.write(header);
    return new Capture(file);
  }

  /**
   * TCP and long UDP frames are left out: they are the platform on its way to the CN, hundreds of megabytes of it, and the
   * headnode's transcript has every request.
   * @param frame its bytes must stay as they are
   */
  add(frame: Buffer, sinceEpochMs: number): void {
    if (isBulk(frame) || this.#bytes > LIMIT_BYTES) return;
    const header = Buffer.alloc(16);
    header.writeUInt32LE(Math.floor(sinceEpochMs / 1_000), 0);
    header.writeUInt32LE(Math.floor((sinceEpochMs % 1_000) * 1_000), 4);
    header.writeUInt32LE(frame.length, 8);
    header.writeUInt32LE(frame.length, 12);
    this.#bytes += header.length + frame.length;
    this.#file.write(header);
    this.#file.write(frame);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#file.once("close", resolve);
      if (this.#file.closed) resolve();
      this.#file.end();
    });
  }
}

function isBulk(frame: Buffer): boolean {
  if (frame.length <= 23 || frame.readUInt16BE(12) !== etherTypes.ipv4) return false;
  return frame[23] === ipProtocols.tcp || (frame[23] === ipProtocols.udp && frame.length > LONGEST_TALK);
}

/**
 * The headnode's TFTP server on the wire: serves the published tree, with one block in flight per transfer.
 * tftp-packet.ts parses the packets, published-tree.ts holds the files.
 * Source: RFC 1350, RFC 2347 to 2349; the limit of in.tftpd in booter (blocks of up to 65464 bytes).
 */
import { formatIpv4, parseIpv4 } from "../cn-files/ipv4.js";
import { answerTo, formatUdpFrames, parseUdpFrame, type UdpFrame } from "../wire/udp-frame.js";
import type { FrameService } from "../wire/wire.js";
import { type FindContent, type OpenContent, openContent } from "./published-content.js";
import { formatData, formatError, formatOptionsAck, parseTftp, type TftpPacket, tftpErrors } from "./tftp-packet.js";
import type { Transcript } from "./transcript.js";

export interface TftpServiceOptions {
  readonly serverIp: string;
  readonly find: FindContent;
  readonly transcript: Transcript;
  /** Time without an answer after which a packet is sent again, in milliseconds. @default 2000 */
  readonly retryMs?: number | undefined;
  /** Receives errors that neither the client nor the disk caused. @default the error is thrown uncaught */
  readonly onDefect?: ((error: Error) => void) | undefined;
}

type SendPacket = (packet: Buffer) => void;

const PORT = 69;
/** First of the ports for transfers; each transfer has its own. */
const FIRST_TRANSFER_PORT = 49_152;
const TRANSFER_PORTS = 16_384;
/** Block size for a client that asks for no other. */
const DEFAULT_BLOCK_BYTES = 512;
const LONGEST_BLOCK_BYTES = 65_464;
/** Number of repetitions of a packet before its client counts as gone. */
const RETRIES = 10;

export class TftpService implements FrameService, AsyncDisposable {
  readonly #options: TftpServiceOptions;
  readonly #serverIp: number;
  /** Transfers by the server's port. */
  readonly #transfers = new Map<number, Transfer>();
  #begun = 0;
  #identification = 0;

  constructor(options: TftpServiceOptions) {
    this.#options = options;
    this.#serverIp = parseIpv4(options.serverIp);
  }

  take(bytes: Buffer, send: (frame: Buffer) => void): boolean {
    const frame = parseUdpFrame(bytes);
    if (frame === undefined || frame.datagram.destinationIp !== this.#serverIp) return false;
    const { destinationPort, data } = frame.datagram;
    const transfer = this.#transfers.get(destinationPort);
    if (destinationPort !== PORT && transfer === undefined) return false;
    const packet = parseTftp(data);
    if (transfer === undefined) {
      if (packet !== undefined) this.#begin(packet, frame, send);
    } else if (transfer.peer === peerOf(frame)) {
      transfer.take(packet);
    } else if (packet?.kind !== "error") {
      // A packet from another client leaves the transfer as it is (RFC 1350, 4). An error packet gets no error in reply.
      this.#reply(frame, destinationPort, formatError(tftpErrors.unknownTransfer, "not your transfer"), send);
    }
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#transfers.values()].map((transfer) => transfer.end(false)));
  }

  #begin(packet: TftpPacket, frame: UdpFrame, send: (frame: Buffer) => void): void {
    const port = FIRST_TRANSFER_PORT + (this.#begun++ % TRANSFER_PORTS);
    const reply = (data: Buffer): void => this.#reply(frame, port, data, send);
    if (packet.kind === "write") reply(formatError(tftpErrors.accessViolation, "this headnode accepts no files"));
    if (packet.kind !== "read") return;
    if (packet.mode !== "octet") {
      reply(formatError(tftpErrors.illegalOperation, "this headnode sends files in mode octet only"));
      return;
    }
    const { retryMs = 2_000, transcript, onDefect } = this.#options;
    // Names are relative to the tree's root, with or without a leading slash.
    const path = `/${packet.path.replace(/^\/+/, "")}`;
    const transfer = new Transfer({ path, peer: peerOf(frame), packet, reply, retryMs, transcript, onDefect }, () =>
      this.#transfers.delete(port),
    );
    this.#transfers.set(port, transfer);
    transfer.begin(this.#options.find(path)).catch(this.#options.onDefect);
  }

  /** @param port the server's port */
  #reply(frame: UdpFrame, port: number, data: Buffer, send: (frame: Buffer) => void): void {
    const answer = answerTo(frame, data);
    this.#identification += 1;
    const datagram = { ...answer.datagram, sourcePort: port };
    for (const each of formatUdpFrames({ ...answer, datagram }, this.#identification)) send(each);
  }
}

/** The sender of a frame: "10.99.99.38:2070". */
const peerOf = ({ datagram }: UdpFrame): string => `${formatIpv4(datagram.sourceIp)}:${datagram.sourcePort}`;

interface TransferOptions {
  readonly path: string;
  readonly peer: string;
  readonly packet: Extract<TftpPacket, { kind: "read" }>;
  readonly reply: SendPacket;
  readonly retryMs: number;
  readonly transcript: Transcript;
  readonly onDefect: ((error: Error) => void) | undefined;
}

class Transfer {
  readonly #options: TransferOptions;
  readonly #onEnd: () => void;
  readonly #startMs: number;
  readonly #progress: { readonly path: string; bytesSent: number; bytesTotal: number };
  #content: OpenContent | undefined;
  #blockBytes = DEFAULT_BLOCK_BYTES;
  /** Number of the block that the client has to acknowledge; 0 stands for the options. */
  #block = 0;
  /** Number of bytes in that block. */
  #inFlight = 0;
  /** Whether a block is being read from the disk. */
  #isReading = false;
  #timer: NodeJS.Timeout | undefined;
  #ending: Promise<void> | undefined;

  constructor(options: TransferOptions, onEnd: () => void) {
    this.#options = options;
    this.#onEnd = onEnd;
    this.#startMs = options.transcript.now();
    this.#progress = { path: options.path, bytesSent: 0, bytesTotal: 0 };
    options.transcript.begin(this.#progress);
  }

  async begin(found: Parameters<typeof openContent>[0]): Promise<void> {
    const content = await openContent(found);
    if (this.#ending !== undefined) {
      await content?.[Symbol.asyncDispose]();
      return;
    }
    if (content === undefined) {
      this.#options.reply(formatError(tftpErrors.notFound, "no such file on this headnode"));
      await this.end(false, 404);
      return;
    }
    this.#content = content;
    this.#progress.bytesTotal = content.sizeBytes;
    const agreed = this.#agree(content.sizeBytes);
    if (agreed.size > 0) this.#send(formatOptionsAck(agreed));
    else await this.#next();
  }

  /** The client: "10.99.99.38:2070". */
  get peer(): string {
    return this.#options.peer;
  }

  /** @param packet undefined if the datagram is not TFTP */
  take(packet: TftpPacket | undefined): void {
    if (packet?.kind === "error") void this.end(false);
    // Ignores acknowledgements of older blocks: an answer would double every later packet (RFC 1123, 4.2.3.1).
    if (packet?.kind !== "ack" || packet.block !== (this.#block & 0xffff) || this.#isReading) return;
    this.#progress.bytesSent += this.#inFlight;
    const wasLast = this.#block > 0 && this.#inFlight < this.#blockBytes;
    if (wasLast) void this.end(true);
    else this.#next().catch(this.#options.onDefect);
  }

  /** A second call returns the same promise. */
  end(complete: boolean, status = 200): Promise<void> {
    this.#ending ??= this.#end(complete, status);
    return this.#ending;
  }

  async #end(complete: boolean, status: number): Promise<void> {
    clearTimeout(this.#timer);
    this.#onEnd();
    const { transcript, path, peer } = this.#options;
    transcript.end(this.#progress, {
      timeMs: this.#startMs,
      method: "RRQ",
      path,
      status,
      bytesSent: this.#progress.bytesSent,
      bytesTotal: this.#progress.bytesTotal,
      complete,
      durationMs: transcript.now() - this.#startMs,
      peer,
      userAgent: "",
    });
    await this.#content?.[Symbol.asyncDispose]();
  }

  /** Accepts the requested options that it supports: blksize and tsize. */
  #agree(sizeBytes: number): Map<string, string> {
    const asked = this.#options.packet.options;
    const agreed = new Map<string, string>();
    const blockBytes = Number(asked.get("blksize"));
    if (Number.isInteger(blockBytes) && blockBytes >= 8) {
      this.#blockBytes = Math.min(blockBytes, LONGEST_BLOCK_BYTES);
      agreed.set("blksize", String(this.#blockBytes));
    }
    if (asked.has("tsize")) agreed.set("tsize", String(sizeBytes));
    return agreed;
  }

  async #next(): Promise<void> {
    const content = this.#content;
    if (content === undefined || this.#ending !== undefined) return;
    clearTimeout(this.#timer);
    this.#isReading = true;
    const data = await content.read(this.#block * this.#blockBytes, this.#blockBytes).catch(() => undefined);
    this.#isReading = false;
    if (data === undefined) return this.end(false); // the file cannot be read, so the transfer ends here
    this.#block += 1;
    this.#inFlight = data.length;
    this.#send(formatData(this.#block, data));
  }

  #send(packet: Buffer, retriesLeft = RETRIES): void {
    if (this.#ending !== undefined) return;
    this.#options.reply(packet);
    this.#timer = setTimeout(() => {
      if (retriesLeft === 0) void this.end(false);
      else this.#send(packet, retriesLeft - 1);
    }, this.#options.retryMs);
  }
}

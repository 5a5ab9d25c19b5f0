/**
 * Parses and formats the TFTP packets that a read-only server needs.
 * Source: RFC 1350 (codes of errors: its appendix); RFC 2347 (options), RFC 2348 (blksize), RFC 2349 (tsize).
 */

export type TftpPacket =
  | {
      readonly kind: "read";
      readonly path: string;
      /** Lower case: "octet", "netascii". */
      readonly mode: string;
      readonly options: ReadonlyMap<string, string>;
    }
  | { readonly kind: "write" }
  | { readonly kind: "ack"; readonly block: number }
  | { readonly kind: "error"; readonly code: number; readonly text: string };

export const tftpErrors = { notFound: 1, accessViolation: 2, illegalOperation: 4, unknownTransfer: 5 } as const;

const opcodes = { read: 1, write: 2, data: 3, ack: 4, error: 5, optionsAck: 6 } as const;

/** @returns undefined if the bytes are not a packet that a client sends to a server */
export function parseTftp(bytes: Buffer): TftpPacket | undefined {
  if (bytes.length < 4) return undefined;
  switch (bytes.readUInt16BE(0)) {
    case opcodes.read: {
      if (bytes.at(-1) !== 0) return undefined;
      const [path = "", mode = "", ...words] = bytes.toString("latin1", 2, bytes.length - 1).split("\0");
      if (path === "" || mode === "") return undefined;
      const options = new Map<string, string>();
      for (let at = 0; at + 1 < words.length; at += 2)
        options.set((words[at] ?? "").toLowerCase(), words[at + 1] ?? "");
      return { kind: "read", path, mode: mode.toLowerCase(), options };
    }
    case opcodes.write:
      return { kind: "write" };
    case opcodes.ack:
      return { kind: "ack", block: bytes.readUInt16BE(2) };
    case opcodes.error:
      return { kind: "error", code: bytes.readUInt16BE(2), text: bytes.toString("latin1", 4).replace(/\0.*$/s, "") };
    default:
      return undefined;
  }
}

/** @param block counts from 1; the packet carries its low 16 bits, so the number wraps around in a big file */
export const formatData = (block: number, data: Buffer): Buffer =>
  Buffer.concat([words(opcodes.data, block & 0xffff), data]);

export const formatOptionsAck = (options: ReadonlyMap<string, string>): Buffer =>
  Buffer.concat([words(opcodes.optionsAck), ...[...options].flat().map(text)]);

export const formatError = (code: number, message: string): Buffer =>
  Buffer.concat([words(opcodes.error, code), text(message)]);

const text = (value: string): Buffer => Buffer.from(`${value}\0`, "latin1");
const words = (...values: readonly number[]): Buffer =>
  Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]));

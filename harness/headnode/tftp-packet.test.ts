import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatData, formatError, formatOptionsAck, parseTftp } from "./tftp-packet.js";

const test = suite("TFTP packet");

test("parseTftp() reads file, mode and options of a read request, mode and option names in any case", () => {
  const bytes = Buffer.from("\0\x01/os/vmlinuz\0OCTET\0BLKSIZE\0" + "1432\0tsize\0" + "0\0", "latin1");
  assert.equal(parseTftp(bytes), {
    kind: "read",
    path: "/os/vmlinuz",
    mode: "octet",
    options: new Map([
      ["blksize", "1432"],
      ["tsize", "0"],
    ]),
  });
});

test("parseTftp() recognizes acknowledgements, errors and writes, and rejects anything else", () => {
  assert.equal(parseTftp(Buffer.from([0, 4, 1, 2])), { kind: "ack", block: 0x102 });
  assert.equal(parseTftp(Buffer.from("\0\x05\0\x08stop\0", "latin1")), { kind: "error", code: 8, text: "stop" });
  assert.equal(parseTftp(Buffer.from("\0\x02x\0octet\0", "latin1")), { kind: "write" });
  for (const text of ["", "\0\x01", "\0\x01name without an end", "\0\x01\0octet\0", "\0\x09abc"])
    assert.is(parseTftp(Buffer.from(text, "latin1")), undefined, JSON.stringify(text));
});

test("block numbers wrap around after 65535, options and errors end in NUL", () => {
  assert.is(formatData(0x1_0001, Buffer.from("ab")).toString("hex"), "000300016162");
  assert.is(formatOptionsAck(new Map([["tsize", "7"]])).toString("latin1"), "\0\x06tsize\0" + "7\0");
  assert.is(formatError(1, "no").toString("latin1"), "\0\x05\0\x01no\0");
});

test.run();

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DisposableStack } from "../../base/disposable-stack.js";
import { TempDir } from "../../base/temp-dir.js";
import { WireGuest } from "../../fixtures/wire-guest.js";
import { parseIpv4 } from "../cn-files/ipv4.js";
import { AnsweringHost, parseHostAddress } from "./answering-host.js";
import { formatArp, parseArp } from "./arp.js";
import { BROADCAST, etherTypes, formatFrame, parseFrame } from "./ethernet.js";
import { formatEcho, parseEcho } from "./icmp-echo.js";
import { formatLacpdu, lacpStates, parseLacpdu, SLOW_PROTOCOLS_MAC } from "./lacpdu.js";
import { type PortKind, Wire } from "./wire.js";

const test = suite("wire");

const macs = ["52:54:00:aa:00:01", "52:54:00:aa:00:02", "52:54:00:aa:00:03"] as const;
/** EtherType for tests, "local experimental". */
const EXPERIMENTAL = 0x88b5;

function frameOf(
  source: string,
  destination: string,
  text: string,
  { etherType = EXPERIMENTAL, vlan = 0 } = {},
): Buffer {
  return formatFrame({ source, destination, vlan, etherType, payload: Buffer.from(text) });
}

const textOf = (frame: Buffer): string => frame.subarray(14).toString("latin1").replaceAll("\0", "");
const isOurs = (frame: Buffer): boolean => frame.readUInt16BE(12) === EXPERIMENTAL;
const isLacp = (frame: Buffer): boolean => frame.readUInt16BE(12) === etherTypes.slow;

/** A wire with a guest on each of its ports. */
async function wired(cleanup: DisposableStack, kinds: readonly PortKind[], options: { capturePath?: string } = {}) {
  const wire = cleanup.use(await Wire.create(options));
  const guests: WireGuest[] = [];
  for (const kind of kinds) guests.push(cleanup.use(await WireGuest.plugIn(await wire.addPort(kind))));
  const [a, b, c] = guests;
  assert.ok(a && b);
  return { wire, a, b, c: c ?? b };
}

test("the wire floods a frame to an unknown address, and learns the port of each address", async () => {
  await using cleanup = new DisposableStack();
  const { a, b, c } = await wired(cleanup, ["nic", "nic", "relay"]);
  a.send(frameOf(macs[0], macs[1], "who is there"));
  assert.is(textOf(await b.next(isOurs)), "who is there");
  assert.is(textOf(await c.next(isOurs)), "who is there");
  b.send(frameOf(macs[1], macs[0], "here"));
  assert.is(textOf(await a.next(isOurs)), "here");
  a.send(frameOf(macs[0], macs[1], "for you alone"));
  a.send(frameOf(macs[0], BROADCAST, "for all"));
  assert.is(textOf(await b.next(isOurs)), "for you alone");
  assert.is(textOf(await c.next(isOurs)), "for all", "frames to the two known addresses were not flooded");
});

test("an error thrown by a service reaches onDefect, and the port goes on with the next frame", async () => {
  await using cleanup = new DisposableStack();
  const defects: Error[] = [];
  const wire = cleanup.use(await Wire.create({ onDefect: (error) => defects.push(error) }));
  const a = cleanup.use(await WireGuest.plugIn(await wire.addPort("nic")));
  const b = cleanup.use(await WireGuest.plugIn(await wire.addPort("nic")));
  const defect = new TypeError("a defect of the service");
  wire.attach({
    take: (frame) => {
      if (isOurs(frame) && textOf(frame).startsWith("poison")) throw defect;
      return false;
    },
  });
  a.send(frameOf(macs[0], macs[1], "poison"));
  a.send(frameOf(macs[0], macs[1], "good"));
  assert.is(textOf(await b.next(isOurs)), "good");
  assert.equal(defects, [defect]);
});

test("a guest that sends bytes other than frames is unplugged without a defect, and can plug in again", async () => {
  await using cleanup = new DisposableStack();
  const defects: Error[] = [];
  const wire = cleanup.use(await Wire.create({ onDefect: (error) => defects.push(error) }));
  const port = await wire.addPort("nic");
  const odd = connect(port.socketPath);
  odd.on("error", () => undefined); // the wire closes the connection while this end writes
  odd.resume().write(Buffer.alloc(64, 0xff));
  await once(odd, "close");
  const again = cleanup.use(await WireGuest.plugIn(port));
  const other = cleanup.use(await WireGuest.plugIn(await wire.addPort("nic")));
  again.send(frameOf(macs[0], BROADCAST, "again"));
  assert.is(textOf(await other.next(isOurs)), "again");
  assert.equal(defects, []);
});

test("the wire carries frames of 9000 bytes, and leaves VLAN tags unchanged", async () => {
  await using cleanup = new DisposableStack();
  const { a, b } = await wired(cleanup, ["nic", "nic"]);
  const jumbo = frameOf(macs[0], BROADCAST, "x".repeat(9_000), { vlan: 20 });
  a.send(jumbo);
  assert.equal(await b.next((frame) => !isLacp(frame)), jumbo);
});

test("the wire speaks LACP to NICs but not to a relay, and forwards no LACPDU", async () => {
  await using cleanup = new DisposableStack();
  const { a, b } = await wired(cleanup, ["nic", "relay"]);
  const pdu = parseLacpdu((await a.next(isLacp)).subarray(14));
  assert.ok(pdu);
  a.send(frameOf(macs[0], SLOW_PROTOCOLS_MAC, "LACP only", { etherType: etherTypes.slow }));
  a.send(frameOf(macs[0], BROADCAST, "end"));
  assert.is(textOf(await b.next()), "end");
});

test("the wire treats two ports of one LACP partner as one: no frame returns to it, and each frame goes out once", async () => {
  await using cleanup = new DisposableStack();
  const { a, b, c } = await wired(cleanup, ["nic", "nic", "nic"]);
  const { activity, aggregation, synchronization, collecting, distributing } = lacpStates;
  const state = activity | aggregation | synchronization | collecting | distributing;
  for (const [index, guest] of [a, b].entries()) {
    const received = parseLacpdu((await guest.next(isLacp)).subarray(14));
    assert.ok(received);
    const actor = { systemPriority: 1, system: macs[0], key: 1, portPriority: 1, port: index + 1, state };
    guest.send(
      formatFrame({
        source: macs[index] ?? "",
        destination: SLOW_PROTOCOLS_MAC,
        vlan: 0,
        etherType: etherTypes.slow,
        payload: formatLacpdu({ actor, partner: received.actor }),
      }),
    );
    const up = (frame: Buffer): boolean =>
      isLacp(frame) && ((parseLacpdu(frame.subarray(14))?.actor.state ?? 0) & distributing) !== 0;
    await guest.next(up);
  }
  a.send(frameOf(macs[0], BROADCAST, "out"));
  assert.is(textOf(await c.next(isOurs)), "out");
  for (const text of ["1", "2", "3", "4", "end 5", "end 6"]) {
    c.send(frameOf(`52:54:00:bb:00:0${text.at(-1)}`, BROADCAST, text));
  }
  // The switch chooses the port for each frame; together, the two ports carry each frame once.
  const got: string[] = [];
  for (const guest of [a, b]) {
    do got.push(textOf(await guest.next(isOurs)));
    while (!got.at(-1)?.startsWith("end"));
  }
  assert.equal(got.sort(), ["1", "2", "3", "4", "end 5", "end 6"]);
});

test("a service can consume a frame and send one", async () => {
  await using cleanup = new DisposableStack();
  const { wire, a, b } = await wired(cleanup, ["nic", "relay"]);
  wire.attach({
    take: (frame, send) => {
      if (textOf(frame) !== "question") return false;
      send(frameOf(macs[2], macs[0], "answer"));
      return true;
    },
  });
  a.send(frameOf(macs[0], BROADCAST, "question"));
  a.send(frameOf(macs[0], BROADCAST, "end"));
  assert.is(textOf(await a.next(isOurs)), "answer");
  assert.is(textOf(await b.next(isOurs)), "end", "the relay saw no question");
});

test("an answering host answers ARP and ping on the VLANs of its addresses, and ping for routed addresses", async () => {
  await using cleanup = new DisposableStack();
  const { wire, a, b } = await wired(cleanup, ["nic", "relay"]);
  const peers = ["10.77.0.2", "192.168.5.1/3105", "10.78.0.9,routed"];
  wire.attach(new AnsweringHost(peers.map(parseHostAddress)));

  const ask = (ip: string, vlan: number): Buffer => {
    const target = { targetMac: "00:00:00:00:00:00", targetIp: parseIpv4(ip) };
    const payload = formatArp({
      operation: "request",
      senderMac: macs[0],
      senderIp: parseIpv4("10.77.0.41"),
      ...target,
    });
    return formatFrame({ source: macs[0], destination: BROADCAST, vlan, etherType: etherTypes.arp, payload });
  };
  const notLacp = (frame: Buffer): boolean => !isLacp(frame);
  let hostMac = "";
  for (const [ip, vlan] of [
    ["10.77.0.2", 0],
    ["192.168.5.1", 3105],
  ] as const) {
    a.send(ask(ip, vlan));
    const reply = parseFrame(await a.next(notLacp));
    assert.is(reply?.vlan, vlan);
    const arp = reply && parseArp(reply.payload);
    assert.is(arp?.senderIp, parseIpv4(ip));
    assert.is(arp?.targetMac, macs[0]);
    hostMac = arp?.senderMac ?? "";
  }
  // Other hosts may have these addresses: on another VLAN, behind the host, unknown to it.
  for (const [ip, vlan] of [
    ["192.168.5.1", 0],
    ["10.78.0.9", 0],
    ["10.77.0.3", 0],
  ] as const) {
    a.send(ask(ip, vlan));
    assert.equal(await b.next(), ask(ip, vlan), ip);
  }

  const data = Buffer.alloc(8_972, 0x5a);
  const ping = (ip: string): Buffer => {
    const addresses = { source: parseIpv4("10.77.0.41"), destination: parseIpv4(ip) };
    const payload = formatEcho({ kind: "request", ...addresses, identifier: 1, sequence: 2, data });
    return formatFrame({ source: macs[0], destination: hostMac, vlan: 0, etherType: etherTypes.ipv4, payload });
  };
  a.send(ping("10.77.0.3")); // not one of its addresses
  for (const ip of ["10.77.0.2", "10.78.0.9"]) {
    a.send(ping(ip));
    const reply = parseEcho(parseFrame(await a.next(notLacp))?.payload ?? Buffer.alloc(0));
    assert.is(reply?.kind, "reply");
    assert.is(reply?.source, parseIpv4(ip));
    assert.equal(reply?.data, data);
  }
});

test("parseHostAddress() accepts an IPv4 address with a VLAN below 4095, and rejects anything else", () => {
  assert.equal(parseHostAddress("10.1.2.3"), { ip: "10.1.2.3", vlan: 0, routed: false });
  assert.equal(parseHostAddress("10.1.2.3/7,routed"), { ip: "10.1.2.3", vlan: 7, routed: true });
  for (const text of ["", "10.1.2", "10.1.2.256", "10.1.2.3/4095", "10.1.2.3/x", "10.1.2.3,behind"]) {
    assert.throws(() => parseHostAddress(text), /is not a peer address/, text);
  }
});

test("a NIC that sends a frame longer than any allowed loses its port, and the others go on", async () => {
  await using cleanup = new DisposableStack();
  const wire = cleanup.use(await Wire.create());
  const [first, second, third] = [await wire.addPort("nic"), await wire.addPort("nic"), await wire.addPort("nic")];
  const mad = cleanup.use(await WireGuest.plugIn(first));
  const [b, c] = [cleanup.use(await WireGuest.plugIn(second)), cleanup.use(await WireGuest.plugIn(third))];
  mad.send(Buffer.alloc(80_000));
  b.send(frameOf(macs[1], BROADCAST, "still there"));
  assert.is(textOf(await c.next(isOurs)), "still there");
});

test("the capture holds all frames except TCP, in pcap format", async () => {
  await using folder = await TempDir.create("wire-test");
  const capturePath = join(folder.path, "wire.pcap");
  const kept = frameOf(macs[0], BROADCAST, "kept");
  {
    await using cleanup = new DisposableStack();
    const { a, b } = await wired(cleanup, ["relay", "relay"], { capturePath });
    const tcp = formatFrame({
      source: macs[0],
      destination: BROADCAST,
      vlan: 0,
      etherType: etherTypes.ipv4,
      payload: Buffer.concat([Buffer.from("4500003200004000 4006".replace(" ", ""), "hex"), Buffer.alloc(40)]),
    });
    a.send(tcp);
    assert.equal(await b.next(), tcp);
    a.send(kept);
    assert.equal(await b.next(), kept);
  }
  const file = await readFile(capturePath);
  assert.is(file.readUInt32LE(0), 0xa1b2c3d4);
  assert.is(file.readUInt32LE(20), 1, "Ethernet");
  assert.is(file.readUInt32LE(24 + 8), kept.length);
  assert.equal(file.subarray(24 + 16), kept);
});

test.run();

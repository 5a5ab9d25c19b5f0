import { stat } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DisposableStack } from "../../base/disposable-stack.js";
import { isThere } from "../../base/is-there.js";
import { TempDir } from "../../base/temp-dir.js";
import { WireGuest } from "../../fixtures/wire-guest.js";
import type { NicSpec, StreamNetworkSpec, UserNetworkSpec } from "../../vm/machine-spec.js";
import { parseIpv4 } from "../cn-files/ipv4.js";
import { parseHostAddress } from "../wire/answering-host.js";
import { formatArp, parseArp } from "../wire/arp.js";
import { BROADCAST, etherTypes, formatFrame, parseFrame } from "../wire/ethernet.js";
import type { FrameService } from "../wire/wire.js";
import { connectCn } from "./cn-network.js";

const test = suite("the network of a CN");
const MAC = "52:54:00:99:00:38";
const SECOND = "52:54:00:99:00:39";
const userNetwork = { kind: "user", net: "10.0.2.0/24" } as unknown as UserNetworkSpec;
const plain = { mac: MAC, nics: [], peers: [] };

const streamOf = ({ network }: Pick<NicSpec, "network">): StreamNetworkSpec => {
  assert.is(network.kind, "stream");
  return network as StreamNetworkSpec;
};

test("a single NIC is plugged directly into the user network, without wire and capture", async () => {
  await using dir = await TempDir.create("cn-network");
  await using cleanup = new DisposableStack();
  const network = await connectCn({ ...plain, reportDir: dir.path }, { userNetwork, services: [], cleanup });
  assert.equal(network, { nics: [{ mac: MAC, network: userNetwork }], relays: [] });
  assert.not(await isThere(join(dir.path, "wire.pcap")));
});

test("several NICs get one port of the wire each, the boot NIC first, and a relay joins the user network", async () => {
  await using dir = await TempDir.create("cn-network");
  await using cleanup = new DisposableStack();
  const { nics, relays } = await connectCn(
    { ...plain, nics: [SECOND], reportDir: dir.path },
    { userNetwork, services: [], cleanup },
  );
  assert.equal(
    nics.map(({ mac }) => mac),
    [MAC, SECOND],
  );
  assert.is(relays.length, 1);
  assert.is(relays[0]?.network, userNetwork);
  const sockets = [...nics.map((nic) => streamOf(nic).socketPath), relays[0]?.stream.socketPath ?? ""];
  assert.is(new Set(sockets).size, 3);
  for (const socket of sockets) assert.ok((await stat(socket)).isSocket(), socket);
  assert.ok(await isThere(join(dir.path, "wire.pcap")));
});

test("the wire's sockets are removed with the boot", async () => {
  await using dir = await TempDir.create("cn-network");
  const cleanup = new DisposableStack();
  const { nics } = await connectCn(
    { ...plain, nics: [SECOND], reportDir: dir.path },
    { userNetwork, services: [], cleanup },
  );
  const socket = streamOf(nics[0] as NicSpec).socketPath;
  await cleanup[Symbol.asyncDispose]();
  assert.not(await isThere(socket));
});

test("a peer answers a single NIC over the wire", async () => {
  await using dir = await TempDir.create("cn-network");
  await using cleanup = new DisposableStack();
  const { nics } = await connectCn(
    { ...plain, peers: [parseHostAddress("10.99.99.60")], reportDir: dir.path },
    { userNetwork, services: [], cleanup },
  );
  const guest = cleanup.use(await WireGuest.plugIn(streamOf(nics[0] as NicSpec)));
  const [senderIp, targetIp] = [parseIpv4("10.99.99.38"), parseIpv4("10.99.99.60")];
  const request = formatArp({
    operation: "request",
    senderMac: MAC,
    senderIp,
    targetMac: "00:00:00:00:00:00",
    targetIp,
  });
  guest.send(
    formatFrame({ source: MAC, destination: BROADCAST, vlan: 0, etherType: etherTypes.arp, payload: request }),
  );
  const answer = parseFrame(await guest.next((frame) => frame.readUInt16BE(12) === etherTypes.arp));
  assert.is(parseArp(answer?.payload ?? Buffer.alloc(0))?.senderIp, targetIp);
});

test("a service of the headnode receives the boot NIC's frames, and its error is reported", async () => {
  await using dir = await TempDir.create("cn-network");
  await using cleanup = new DisposableStack();
  const defect = new TypeError("a defect of the service");
  const service: FrameService = {
    take: () => {
      throw defect;
    },
  };
  let report: (error: Error) => void = () => {};
  const reported = new Promise<Error>((resolve) => {
    report = resolve;
  });
  const { nics } = await connectCn(
    { ...plain, reportDir: dir.path },
    { userNetwork, services: [service], onDefect: (error) => report(error), cleanup },
  );
  const guest = cleanup.use(await WireGuest.plugIn(streamOf(nics[0] as NicSpec)));
  guest.send(
    formatFrame({ source: MAC, destination: BROADCAST, vlan: 0, etherType: 0x88b5, payload: Buffer.alloc(4) }),
  );
  assert.is(await reported, defect);
});

test.run();

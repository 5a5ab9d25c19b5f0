import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseIpv4 } from "../cn-files/ipv4.js";
import { formatUdpFrames, parseUdpFrame, type UdpFrame } from "../wire/udp-frame.js";
import { type DhcpMessage, formatDhcp, parseDhcp } from "./dhcp-message.js";
import { BooterDhcp } from "./dhcp-rules.js";
import { DhcpService } from "./dhcp-service.js";

const test = suite("DHCP service");

const mac = "52:54:00:99:00:38";
const start = (hidesUserClass?: () => boolean): DhcpService =>
  new DhcpService({
    booter: new BooterDhcp({
      serverIp: "10.99.99.7",
      leaseSeconds: 60,
      resolvers: [],
      defaultGateway: undefined,
      addressOf: () => ({ ip: "10.99.99.38", netmask: "255.255.255.0", resolvers: [], gateway: undefined, routes: {} }),
    }),
    serverIp: "10.99.99.7",
    now: () => 5,
    hidesUserClass,
  });

const discover = (options: readonly (readonly [number, Buffer])[] = []): DhcpMessage => ({
  ...{ op: 1, hops: 0, xid: 7, secs: 0, flags: 0, ciaddr: 0, yiaddr: 0, siaddr: 0, giaddr: 0 },
  ...{ mac, sname: Buffer.alloc(64), file: "" },
  options: new Map([[53, Buffer.from([1])], [60, Buffer.from("PXEClient")], ...options]), // biome-ignore format: pairs
});

/** Sends a client's datagram to the service. @returns the service's answers, and whether it consumed the frames */
function exchange(
  service: DhcpService,
  data: Buffer,
  { ip = "0.0.0.0", port = 67 } = {},
): { taken: boolean; answers: UdpFrame[] } {
  const datagram = {
    sourceIp: parseIpv4(ip),
    sourcePort: 68,
    destinationIp: parseIpv4("255.255.255.255"),
    destinationPort: port,
    data,
  };
  const answers: UdpFrame[] = [];
  const taken = formatUdpFrames({ source: mac, destination: "ff:ff:ff:ff:ff:ff", vlan: 0, datagram }, 1).every(
    (frame) =>
      service.take(frame, (answer) => {
        const parsed = parseUdpFrame(answer);
        if (parsed !== undefined) answers.push(parsed);
      }),
  );
  return { taken, answers };
}

test("the service broadcasts its answer, from the server's port to the client's", () => {
  const { taken, answers } = exchange(start(), formatDhcp(discover()));
  assert.ok(taken);
  assert.is(answers.length, 1);
  const [answer] = answers;
  assert.ok(answer);
  const { destination, datagram } = answer;
  assert.is(destination, "ff:ff:ff:ff:ff:ff");
  assert.equal(
    [datagram.sourceIp, datagram.sourcePort, datagram.destinationIp, datagram.destinationPort],
    [parseIpv4("10.99.99.7"), 67, parseIpv4("255.255.255.255"), 68],
  );
  assert.is(parseDhcp(datagram.data)?.file, "undionly.kpxe");
});

test("the service answers a relay at the address and port that it sent from", () => {
  const { answers } = exchange(start(), formatDhcp(discover([[82, Buffer.from([1, 1, 65])]])), { ip: "10.1.0.1" });
  assert.equal([answers[0]?.destination, answers[0]?.datagram.destinationIp], [mac, parseIpv4("10.1.0.1")]);
});

test("the service consumes every frame for the DHCP port, even if it does not answer, and passes on all others", () => {
  const service = start();
  const silent = exchange(service, formatDhcp({ ...discover(), options: new Map([[53, Buffer.from([1])]]) }));
  assert.equal(silent, { taken: true, answers: [] });
  assert.equal(exchange(service, Buffer.from("no DHCP")), { taken: true, answers: [] });
  assert.not(exchange(service, formatDhcp(discover()), { port: 4_011 }).taken);
});

test("the service records each client's message and its answer", () => {
  const service = start();
  exchange(service, formatDhcp(discover([[77, Buffer.from("iPXE")], [93, Buffer.from([0, 7])]]))); // biome-ignore format: pairs
  exchange(service, formatDhcp({ ...discover(), options: new Map([[53, Buffer.from([8])]]) }));
  assert.equal(service.exchanges, [
    {
      timeMs: 5,
      type: "DISCOVER",
      mac,
      classId: "PXEClient",
      userClass: "iPXE",
      architecture: 7,
      answer: { kind: "reply", ip: "10.99.99.38", file: "boot.ipxe.01525400990038" },
    },
    {
      timeMs: 5,
      type: "other",
      mac,
      classId: undefined,
      userClass: undefined,
      architecture: undefined,
      answer: { kind: "silence", why: "message type 8 is neither DISCOVER nor REQUEST" },
    },
  ]);
});

test("with hidesUserClass, a ROM that says iPXE gets the boot file of a plain PXE ROM", () => {
  let isPlain = true;
  const service = start(() => isPlain);
  const fileFor = (): string | undefined => {
    const { answers } = exchange(service, formatDhcp(discover([[77, Buffer.from("iPXE")]])));
    return answers[0] && parseDhcp(answers[0].datagram.data)?.file;
  };
  assert.is(fileFor(), "undionly.kpxe");
  isPlain = false;
  assert.is(fileFor(), "boot.ipxe.01525400990038");
});

test.run();

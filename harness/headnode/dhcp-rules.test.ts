import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatIpv4, parseIpv4 } from "../cn-files/ipv4.js";
import type { DhcpMessage } from "./dhcp-message.js";
import { type BooterAddress, type BooterConfig, BooterDhcp } from "./dhcp-rules.js";

const test = suite("DHCP rules");

const mac = "52:54:00:99:00:3a";
const nic: BooterAddress = {
  ip: "10.99.99.38",
  netmask: "255.255.255.0",
  resolvers: ["10.99.99.11", "10.99.99.12"],
  gateway: undefined,
  routes: {},
};
const config: BooterConfig = {
  serverIp: "10.99.99.7",
  leaseSeconds: 2_592_000,
  resolvers: [],
  defaultGateway: undefined,
  addressOf: (asked) => (asked === mac ? nic : undefined),
};

const PXE = Buffer.from("PXEClient:Arch:00000:UNDI:002001");
const DISCOVER = Buffer.from([1]);
const REQUEST = Buffer.from([3]);

function request(options: readonly (readonly [number, Buffer])[], changes: Partial<DhcpMessage> = {}): DhcpMessage {
  return {
    op: 1,
    hops: 0,
    xid: 0x12345678,
    secs: 8,
    flags: 0x8000,
    ciaddr: 0,
    yiaddr: 0,
    siaddr: 0,
    giaddr: 0,
    mac,
    sname: Buffer.alloc(64, "s"),
    file: "",
    options: new Map(options),
    ...changes,
  };
}

/** The reply to one message, or the reason for silence. */
const answerOf = (message: DhcpMessage, booter = new BooterDhcp(config)): DhcpMessage | string => {
  const answer = booter.answer(message);
  return answer.kind === "reply" ? answer.message : answer.why;
};
const replyTo = (message: DhcpMessage, booter?: BooterDhcp): DhcpMessage => {
  const answer = answerOf(message, booter);
  if (typeof answer === "string") throw new Error(`silence: ${answer}`);
  return answer;
};
const discover = (...options: readonly (readonly [number, Buffer])[]): DhcpMessage =>
  request([[53, DISCOVER], [60, PXE], ...options]);

test("a DISCOVER gets an OFFER with booter's options and no others, in ascending order", () => {
  const offer = replyTo(discover());
  assert.equal(
    [...offer.options].map(([code, value]) => [code, value.toString("hex")]),
    [
      [1, "ffffff00"],
      [6, "0a63630b0a63630c"],
      [51, "00278d00"],
      [53, "02"],
      [54, "0a636307"],
    ],
  );
  assert.is(offer.op, 2);
  assert.is(formatIpv4(offer.yiaddr), "10.99.99.38");
  assert.is(formatIpv4(offer.siaddr), "10.99.99.7");
});

test("a reply keeps xid, flags, MAC and sname of the request", () => {
  const { xid, flags, mac: chaddr, sname } = replyTo(discover());
  assert.equal([xid, flags, chaddr, sname], [0x12345678, 0x8000, mac, Buffer.alloc(64, "s")]);
});

test("an offer for a client without resolvers has no option 6", () => {
  const none = new BooterDhcp({ ...config, addressOf: () => ({ ...nic, resolvers: [] }) });
  assert.not(replyTo(discover(), none).options.has(6));
});

test("a REQUEST gets an ACK with the offered address, even if it asks for another address or another server", () => {
  const booter = new BooterDhcp(config);
  replyTo(discover(), booter);
  const ack = replyTo(
    request([
      [53, REQUEST],
      [60, PXE],
      [50, Buffer.from([1, 2, 3, 4])],
      [54, Buffer.from([9, 9, 9, 9])],
    ]),
    booter,
  );
  assert.is(ack.options.get(53)?.[0], 5);
  assert.is(formatIpv4(ack.yiaddr), "10.99.99.38");
});

test("a REQUEST without an earlier DISCOVER gets no answer, and a NIC without an address gets none", () => {
  assert.is(answerOf(request([[53, REQUEST], [60, PXE]])), "a REQUEST without a DISCOVER"); // biome-ignore format: pairs
  assert.is(answerOf({ ...discover(), mac: "52:54:00:00:00:01" }), "no address for this NIC");
});

test("INFORM, RELEASE, DECLINE and BOOTP messages get no answer", () => {
  for (const type of [4, 7, 8])
    assert.match(String(answerOf(discover([53, Buffer.from([type])]))), `message type ${type} `);
  assert.match(String(answerOf(request([[60, PXE]]))), "message type none");
});

test("only clients whose class begins with PXEClient or SUNW get an answer", () => {
  const withClass = (name: string) => answerOf(request([[53, DISCOVER], [60, Buffer.from(name)]])); // biome-ignore format: pairs
  for (const name of ["PXEClient", "PXEClient.Linux.x86_64", "SUNW.i86pc"])
    assert.type(withClass(name), "object", name);
  for (const name of ["Linux ipconfig", "udhcp 1.35.0", "pxeclient", ""]) assert.type(withClass(name), "string", name);
  assert.is(answerOf(request([[53, DISCOVER]])), "no class (option 60)");
});

test("the boot file is the script for exactly iPXE, else snponly.efi for architecture 7, else undionly.kpxe", () => {
  const arch = (value: number) => [93, Buffer.from([value >> 8, value & 0xff])] as const;
  const user = (name: string) => [77, Buffer.from(name)] as const;
  const cases: [DhcpMessage, string][] = [
    [discover(), "undionly.kpxe"],
    [discover(arch(0)), "undionly.kpxe"],
    [discover(arch(7)), "snponly.efi"],
    [discover([93, Buffer.from([0, 7, 0, 0])]), "snponly.efi"],
    [discover(arch(9)), "undionly.kpxe"],
    [discover([93, Buffer.from([7])]), "undionly.kpxe"],
    [discover(user("iPXE")), "boot.ipxe.0152540099003A"],
    [discover(user("iPXE"), arch(7)), "boot.ipxe.0152540099003A"],
    [discover(user("ipxe"), arch(7)), "snponly.efi"],
    [discover(user("gPXE")), "undionly.kpxe"],
    [discover(user("iPXE\0")), "undionly.kpxe"],
  ];
  for (const [message, file] of cases) assert.is(replyTo(message).file, file);
});

const agent = Buffer.from(`0105${Buffer.from("admin").toString("hex")}`, "hex");
const relayed = (giaddr = "10.1.0.1"): DhcpMessage => ({ ...discover([82, agent]), giaddr: parseIpv4(giaddr) });

test("a reply to a relay goes to that relay with its option 82, any other reply is broadcast", () => {
  const answer = new BooterDhcp(config).answer(relayed());
  assert.ok(answer.kind === "reply");
  assert.is(answer.to, "sender");
  assert.equal(answer.message.options.get(82), agent);
  assert.is(formatIpv4(answer.message.giaddr), "10.1.0.1");
  const plain = new BooterDhcp(config).answer(discover());
  assert.is(plain.kind === "reply" && plain.to, "everybody");
});

test("option 82 without a relay's address is not echoed, but the reply goes to its sender", () => {
  const answer = new BooterDhcp(config).answer(relayed("0.0.0.0"));
  assert.ok(answer.kind === "reply");
  assert.is(answer.to, "sender");
  assert.not(answer.message.options.has(82));
});

test("booter's own resolvers follow those of the NIC, and its default gateway is option 3", () => {
  const booter = new BooterDhcp({ ...config, resolvers: ["9.9.9.9"], defaultGateway: "10.99.99.1" });
  const { options } = replyTo(discover(), booter);
  assert.is(options.get(6)?.toString("hex"), "0a63630b0a63630c09090909");
  assert.is(options.get(3)?.toString("hex"), "0a636301");
  const { options: alone } = replyTo(
    discover(),
    new BooterDhcp({ ...config, resolvers: ["9.9.9.9"], addressOf: () => ({ ...nic, resolvers: [] }) }),
  );
  assert.is(alone.get(6)?.toString("hex"), "09090909");
});

test("a relayed client gets the gateway of its network, or that of the route to booter, and never booter's own", () => {
  const routerOf = (changes: Partial<BooterAddress>, message = relayed()): string | undefined =>
    replyTo(
      message,
      new BooterDhcp({ ...config, defaultGateway: "10.99.99.1", addressOf: () => ({ ...nic, ...changes }) }),
    )
      .options.get(3)
      ?.join(".");
  const routes = { "10.78.0.0/16": "10.1.0.2", "10.99.0.0/16": "10.1.0.3", "10.99.99.7": "10.1.0.4" };
  assert.is(routerOf({ gateway: "10.1.0.9", routes }), "10.1.0.9");
  assert.is(routerOf({ routes }), "10.1.0.3");
  assert.is(routerOf({ routes: { "10.99.99.7": "10.1.0.4" } }), "10.1.0.4");
  assert.is(routerOf({ routes: { "0.0.0.0/0": "10.1.0.5" } }), "10.1.0.5");
  assert.is(routerOf({ routes: { "10.78.0.0/16": "10.1.0.2" } }), undefined);
  assert.is(
    routerOf({ routes: { nowhere: "10.1.0.2", "10.99.99.7/33": "10.1.0.2", "10.99.99.7/": "10.1.0.2" } }),
    undefined,
  );
  assert.is(routerOf({ routes: { "10.99.99.0/24": "macs[52:54:00:99:00:3a]" } }), undefined);
  // A message with only one of a relay's two signs is from the headnode's own network.
  assert.is(routerOf({ gateway: "10.1.0.9" }, relayed("0.0.0.0")), "10.99.99.1");
  assert.is(routerOf({ gateway: "10.1.0.9" }, { ...discover(), giaddr: parseIpv4("10.1.0.1") }), "10.99.99.1");
});

test.run();

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DisposableStack } from "../../base/disposable-stack.js";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { readImageFolder } from "../cn-files/image-folder.js";
import { formatIpv4, parseIpv4 } from "../cn-files/ipv4.js";
import { readNetworkingFile } from "../cn-files/networking-json.js";
import { readNodeConfigFile } from "../cn-files/node-config.js";
import type { HarnessError } from "../harness-error.js";
import type { UdpDatagram } from "../wire/udp-datagram.js";
import { formatUdpFrames, parseUdpFrame } from "../wire/udp-frame.js";
import { formatDhcp, parseDhcp } from "./dhcp-message.js";
import { Headnode, type HeadnodeOptions } from "./headnode.js";

const test = suite("headnode");
const fixture = (name: string): string => join(findProjectRoot(), "fixtures", name);

async function startHeadnode(cleanup: DisposableStack, options: Partial<HeadnodeOptions> = {}): Promise<Headnode> {
  const dir = cleanup.use(await TempDir.create("headnode"));
  for (const name of ["vmlinuz", "initrd", "filesystem.squashfs"]) await writeFile(join(dir.path, name), name);
  return cleanup.use(
    await Headnode.start({
      image: await readImageFolder(dir.path),
      mac: "52:54:00:99:00:3a",
      networking: await readNetworkingFile(fixture("networking.json")),
      nodeConfig: await readNodeConfigFile(fixture("node.config")),
      now: () => performance.now(),
      ...options,
    }),
  );
}

test("the headnode serves every file that its boot script names, byte for byte", async () => {
  await using cleanup = new DisposableStack();
  const headnode = await startHeadnode(cleanup);
  const get = async (path: string): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${headnode.port}${path}`);
    assert.is(answer.status, 200, path);
    return await answer.text();
  };
  assert.is(headnode.network.bootFile, `http://10.99.99.7:${headnode.port}/boot.ipxe.0152540099003A`);
  const script = await get("/boot.ipxe.0152540099003A");
  const urls = script.matchAll(/(?:http:\/\/[^/ ]+|kernel )(\/\S+)/g);
  const paths = [...urls].map((match) => match[1] ?? "");
  assert.is(paths.length, 6);
  for (const path of paths) await get(path);

  const json = await readFile(fixture("networking.json"), "utf8");
  assert.is(await get("/bootfs/52540099003a/networking.json"), json);
  assert.match(await get("/bootfs/52540099003a/networking.json.hash"), /^[0-9a-f]{40}$/);
  assert.is(await get("/extra/joysetup/node.config"), await readFile(fixture("node.config"), "utf8"));
  assert.is(await get(headnode.paths.kernel), "vmlinuz");
  assert.is(headnode.paths.modules.length, 3);
});

test("a script for a CN without networking.json loads none, and the CN gets the default address", async () => {
  await using cleanup = new DisposableStack();
  const headnode = await startHeadnode(cleanup, { networking: undefined });
  assert.not.match(headnode.bootScript, "networking.json");
  assert.match(headnode.bootScript, "ip=10.99.99.38:::255.255.255.0::");
});

test("a CN whose admin network has no second address gets the default address, and still its networking.json", async () => {
  await using cleanup = new DisposableStack();
  const networking = await readNetworkingFile(fixture("networking.json"));
  const adminVnic = networking.adminVnic && { ...networking.adminVnic, ip: "10.1.2.3", netmask: "255.255.255.255" };
  const headnode = await startHeadnode(cleanup, { networking: { ...networking, adminVnic } });
  assert.is(headnode.network.net, "10.99.99.0/24");
  assert.match(headnode.bootScript, "ip=10.99.99.38:::255.255.255.0::");
  assert.match(headnode.bootScript, "networking.json");
});

test("a file listed in `missing` is answered with 404 although it exists", async () => {
  await using cleanup = new DisposableStack();
  const path = "/os/19700101T000000Z/platform/x86_64/vmlinuz";
  const headnode = await startHeadnode(cleanup, { missing: ["vmlinuz"] });
  assert.is((await fetch(`http://127.0.0.1:${headnode.port}${path}`)).status, 404);
});

test("start() fails if the transcript cannot be written", async () => {
  await using cleanup = new DisposableStack();
  const error = await startHeadnode(cleanup, { transcriptPath: "/proc/none/headnode.jsonl" }).then(
    () => undefined,
    (reason: HarnessError) => reason,
  );
  assert.is(error?.code, "LOG_NOT_WRITABLE");
  assert.match(error?.message ?? "", "/proc/none/headnode.jsonl");
});

/** Sends a datagram of the CN to the services. @returns the answers; later ones are added to the same array */
function send(headnode: Headnode, port: number, data: Buffer): readonly UdpDatagram[] {
  const datagram = {
    ...{ sourceIp: parseIpv4("10.99.99.38"), sourcePort: 68 },
    ...{ destinationIp: parseIpv4(headnode.network.host), destinationPort: port, data },
  };
  const [frame = Buffer.alloc(0)] = formatUdpFrames(
    { source: "52:54:00:99:00:3a", destination: "52:55:0a:63:63:07", vlan: 0, datagram },
    1,
  );
  const answers: UdpDatagram[] = [];
  headnode.services.some((service) =>
    service.take(frame, (sent) => {
      const answer = parseUdpFrame(sent);
      if (answer !== undefined) answers.push(answer.datagram);
    }),
  );
  return answers;
}

/** The data of the immediate answer. */
const ask = (headnode: Headnode, port: number, data: Buffer): Buffer | undefined => send(headnode, port, data)[0]?.data;

/** The file's content by TFTP, or the error's text. */
async function readByTftp(headnode: Headnode, path: string): Promise<string> {
  const answers = send(headnode, 69, Buffer.from(`\0\x01${path}\0octet\0`, "latin1"));
  let text = "";
  for (let block = 1; ; block += 1) {
    for (let tries = 0; answers.length < block && tries < 200; tries += 1) await sleep(5);
    const { sourcePort, data = Buffer.alloc(4) } = answers[block - 1] ?? { sourcePort: 0 };
    if (data.readUInt16BE(0) !== 3) return data.toString("latin1", 4);
    assert.is(data.readUInt16BE(2), block);
    text += data.toString("latin1", 4);
    send(headnode, sourcePort, Buffer.from([0, 4, 0, block]));
    if (data.length < 4 + 512) return text;
  }
}

const discover = (...options: readonly (readonly [number, Buffer])[]): Buffer =>
  formatDhcp({
    ...{ op: 1, hops: 0, xid: 7, secs: 0, flags: 0, ciaddr: 0, yiaddr: 0, siaddr: 0, giaddr: 0 },
    ...{ mac: "52:54:00:99:00:3a", sname: Buffer.alloc(64), file: "" },
    options: new Map([[53, Buffer.from([1])], [60, Buffer.from("PXEClient")], ...options]), // biome-ignore format: pairs
  });

test("with transport booter, the headnode answers DHCP with the CN's address, its resolvers and the script's bare name", async () => {
  await using cleanup = new DisposableStack();
  const headnode = await startHeadnode(cleanup, { medium: { transport: "booter", loaderDir: undefined } });
  assert.is(headnode.network.bootFile, undefined);
  const offer = parseDhcp(ask(headnode, 67, discover([77, Buffer.from("iPXE")])) ?? Buffer.alloc(0));
  assert.is(offer?.file, "boot.ipxe.0152540099003A");
  assert.is(formatIpv4(offer?.yiaddr ?? 0), "10.99.99.38");
  assert.ok((offer?.options.get(6)?.length ?? 0) >= 4);
  assert.match(headnode.bootScript, "initrd http://");
  assert.is(headnode.dhcp.length, 1);
});

test("the configuration's resolvers and gateway are options of DHCP, after the boot NIC's own resolvers", async () => {
  await using cleanup = new DisposableStack();
  const networking = await readNetworkingFile(fixture("networking.two-nics.json")); // its storage NIC has another resolver
  const headnode = await startHeadnode(cleanup, {
    networking,
    mac: "52:54:00:99:00:3a",
    medium: { transport: "booter", loaderDir: undefined },
    dhcpResolvers: ["9.9.9.9"],
    dhcpGateway: "10.99.99.1",
  });
  const { options } = parseDhcp(ask(headnode, 67, discover()) ?? Buffer.alloc(0)) ?? { options: new Map() };
  assert.equal([...(options.get(6) ?? [])], [10, 99, 99, 11, 9, 9, 9, 9]);
  assert.equal([...(options.get(3) ?? [])], [10, 99, 99, 1]);
});

test("boot modules are served at their paths and named in the script, and the boot awaits them, but not the menu", async () => {
  await using cleanup = new DisposableStack();
  const bytes = Buffer.from([0, 0x80, 0xff, 10]);
  const headnode = await startHeadnode(cleanup, { bootModules: [{ path: "etc/x.conf", bytes }] });
  const path = "/bootfs/52540099003a/etc/x.conf";
  const answer = await fetch(`http://127.0.0.1:${headnode.port}${path}`);
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes));
  assert.match(headnode.bootScript, `${path} /etc/triton-etc/x.conf\nboot`);
  assert.ok(headnode.paths.modules.includes(path));
  assert.not(headnode.paths.modules.some((each) => each.includes("menu.lst")));
});

test("with transport tftp, the script has TFTP URLs, and TFTP serves the same files as HTTP except the missing ones", async () => {
  await using cleanup = new DisposableStack();
  const headnode = await startHeadnode(cleanup, {
    medium: { transport: "tftp", loaderDir: undefined },
    missing: ["initrd"],
  });
  assert.match(headnode.bootScript, "initrd tftp://10.99.99.7/os/");
  const { kernel, initrd, squashfs, script, modules } = headnode.paths;
  assert.is(await readByTftp(headnode, kernel), "vmlinuz");
  assert.is(await readByTftp(headnode, script), headnode.bootScript);
  for (const path of [squashfs, ...modules]) {
    const answer = await fetch(`http://127.0.0.1:${headnode.port}${path}`);
    assert.is(await readByTftp(headnode, path), await answer.text(), path);
  }
  assert.is(await readByTftp(headnode, initrd), "no such file on this headnode\0");
  assert.equal(
    headnode.transcript.requests
      .filter(({ method, complete }) => method === "RRQ" && !complete)
      .map(({ path }) => path),
    [initrd],
  );
});

test("with loaderDir, a BIOS gets undionly.kpxe until it has downloaded it, even if its ROM says iPXE", async () => {
  await using cleanup = new DisposableStack();
  const loaders = cleanup.use(await TempDir.create("loaders"));
  for (const name of ["undionly.kpxe", "snponly.efi"]) await writeFile(join(loaders.path, name), name);
  const headnode = await startHeadnode(cleanup, { medium: { transport: "booter", loaderDir: loaders.path } });
  assert.equal(headnode.paths.loaders, ["/snponly.efi", "/undionly.kpxe"]);
  assert.not(headnode.paths.modules.some((path) => headnode.paths.loaders.includes(path)));
  const fileFor = () => parseDhcp(ask(headnode, 67, discover([77, Buffer.from("iPXE")])) ?? Buffer.alloc(0))?.file;
  assert.is(fileFor(), "undionly.kpxe");
  await (await fetch(`http://127.0.0.1:${headnode.port}/undionly.kpxe`)).text();
  for (let tries = 0; headnode.transcript.requests.length === 0 && tries < 100; tries += 1) await sleep(5);
  assert.is(fileFor(), "boot.ipxe.0152540099003A");
});

test.run();

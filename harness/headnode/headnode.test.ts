import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DisposableStack } from "../../vm/disposable-stack.js";
import { findProjectRoot } from "../../vm/project-root.js";
import { TempDir } from "../../vm/temp-dir.js";
import { readNetworkingFile } from "../networking-json.js";
import { readNodeConfigFile } from "../node-config.js";
import { Headnode, type HeadnodeOptions } from "./headnode.js";
import { readImageFolder } from "./image-folder.js";

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
      workDir: dir.path,
      ...options,
    }),
  );
}

test("serves all that its own script names, byte for byte", async () => {
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

test("without networking.json the script offers none, and the CN gets the default address", async () => {
  await using cleanup = new DisposableStack();
  const headnode = await startHeadnode(cleanup, { networking: undefined });
  assert.not.match(headnode.bootScript, "networking.json");
  assert.match(headnode.bootScript, "ip=10.99.99.38:::255.255.255.0::");
});

test("a file declared missing is 404 although it is there", async () => {
  await using cleanup = new DisposableStack();
  const path = "/os/19700101T000000Z/platform/x86_64/vmlinuz";
  const headnode = await startHeadnode(cleanup, { missing: ["vmlinuz"] });
  assert.is((await fetch(`http://127.0.0.1:${headnode.port}${path}`)).status, 404);
});

test("over TFTP it lays out the same tree in its own folder, past what a killed one left, and removes it at the end", async () => {
  await using dir = await TempDir.create("headnode-tftp");
  const left = join(dir.path, "tftp", "left");
  await mkdir(left, { recursive: true });
  const cleanup = new DisposableStack();
  const headnode = await startHeadnode(cleanup, { scriptTransport: "tftp", workDir: dir.path });
  const folder = headnode.network.tftpFolder ?? "";
  assert.is(folder, join(dir.path, "tftp"));
  assert.not.ok((await readdir(folder)).includes("left"));
  assert.is(headnode.network.bootFile, "boot.ipxe.0152540099003A");
  assert.is(await readFile(join(folder, headnode.network.bootFile), "utf8"), headnode.bootScript);
  assert.is(await readFile(`${folder}${headnode.paths.kernel}`, "utf8"), "vmlinuz");
  await cleanup[Symbol.asyncDispose]();
  assert.equal(await readdir(dir.path), []);
});

test.run();

/**
 * Compares what the headnode serves with what the real booter wrote, byte for byte. Each folder of fixtures/booter-golden is a
 * case: given.json is what CNAPI said of the server. Its networking.json, if it has one, goes in as the file that booter made of
 * NAPI's answers, and must come out unchanged.
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { Headnode } from "../headnode/headnode.js";
import { type BootPlan, planBoot } from "./boot-plan.js";

const test = suite("booter golden");
const golden = join(findProjectRoot(), "fixtures/booter-golden");

interface Given {
  readonly mac: string;
  readonly booter: string;
  readonly platform: string;
  readonly serial: string;
  /** @default true */
  readonly http_pxe_boot?: boolean;
  readonly kernel_args: Readonly<Record<string, string>>;
  readonly boot_modules: readonly { readonly path: string; readonly content: string }[];
  /** Tags by MAC, where NAPI's answers are not in a networking.json. @default none */
  readonly nic_tags?: Readonly<Record<string, readonly string[]>>;
}

const readIfThere = (path: string): Promise<Buffer | undefined> => readFile(path).catch(() => undefined);

async function planOf(given: Given, networkingPath: string | undefined, folder: string): Promise<BootPlan> {
  const image = join(folder, given.platform);
  await mkdir(image);
  for (const name of ["vmlinuz", "initrd", "filesystem.squashfs"]) {
    await writeFile(join(image, name), name);
    if (name !== "vmlinuz") await writeFile(join(image, `${name}.hash`), `${"0".repeat(40)}\n`);
  }
  const bootModules = given.boot_modules.map(async ({ path, content }, index) => {
    const file = join(folder, `module-${index}`);
    await writeFile(file, Buffer.from(content, "base64"));
    return `${path}=${file}`;
  });
  return await planBoot({
    imageDir: image,
    reportDir: folder,
    stateDir: folder,
    mac: given.mac,
    serial: given.serial,
    transport: given.http_pxe_boot === false ? "tftp" : "booter",
    networkingPath,
    append: Object.entries(given.kernel_args).map(([name, value]) => `${name}=${value}`),
    nicTags: Object.entries(given.nic_tags ?? {}).flatMap(([mac, tags]) => tags.map((tag) => `${tag}=${mac}`)),
    bootModules: await Promise.all(bootModules),
  });
}

const cases = await readdir(golden);

test("there are cases", () => {
  assert.ok(cases.length >= 7);
});

for (const name of cases) {
  test(`the files of ${name} equal booter's`, async () => {
    await using folder = await TempDir.create("golden");
    const wanted = async (file: string): Promise<string | undefined> =>
      (await readIfThere(join(golden, name, file)))?.toString();
    const given = JSON.parse((await wanted("given.json")) ?? "") as Given;
    const json = await wanted("networking.json");
    const plan = await planOf(
      given,
      json === undefined ? undefined : join(golden, name, "networking.json"),
      folder.path,
    );
    assert.ok(plan.medium.kind === "ipxe");
    await using headnode = await Headnode.start({ ...plan, medium: plan.medium, firmware: "bios", now: () => 0 });

    assert.is(headnode.network.host, given.booter);
    const get = async (path: string): Promise<string | undefined> => {
      const answer = await fetch(`http://127.0.0.1:${headnode.port}${path}`);
      return answer.status === 200 ? await answer.text() : undefined;
    };
    const [lower, upper] = [given.mac.replaceAll(":", ""), given.mac.replaceAll(":", "").toUpperCase()];
    const script = await get(`/boot.ipxe.01${upper}`);
    // The real booter has port 80.
    assert.is(script?.replaceAll(`:${headnode.port}/`, "/"), await wanted("boot.ipxe"));
    assert.is(await get(`/menu.lst.01${upper}`), await wanted("menu.lst"));
    assert.is(await get(`/bootfs/${lower}/networking.json`), json);
    for (const { path, content } of given.boot_modules) {
      assert.is(await get(`/bootfs/${lower}/${path}`), Buffer.from(content, "base64").toString());
    }
  });
}

test.run();

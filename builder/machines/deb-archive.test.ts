import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../vm/temp-dir.js";
import { extractFile } from "./deb-archive.js";

const test = suite("deb archive");

/** A member of an ar archive: header, data, and a byte that makes its length even. */
const member = (name: string, data: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(`${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"644".padEnd(8)}`, "latin1"),
    Buffer.from(`${String(data.length).padEnd(10)}\`\n`, "latin1"),
    data,
    Buffer.alloc(data.length % 2, "\n"),
  ]);

async function makeDeb(folder: string): Promise<string> {
  const file = join(folder, "tree/usr/lib/x/loader.efi");
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, "loader");
  const data = execFileSync("tar", ["-C", join(folder, "tree"), "-cJf", "-", "."]);
  const deb = join(folder, "x.deb");
  const parts = [member("debian-binary", Buffer.from("2.0\n")), member("control.tar.xz", Buffer.from("odd"))];
  await writeFile(deb, Buffer.concat([Buffer.from("!<arch>\n"), ...parts, member("data.tar.xz", data)]));
  return deb;
}

test("cuts a file out of the package", async () => {
  await using dir = await TempDir.create("deb");
  const target = join(dir.path, "out.efi");
  await extractFile(await makeDeb(dir.path), "./usr/lib/x/loader.efi", target);
  assert.is(await readFile(target, "utf8"), "loader");
});

test("leaves nothing of a file that the package has not, nor of a package cut short", async () => {
  await using dir = await TempDir.create("deb");
  const deb = await makeDeb(dir.path);
  const target = join(dir.path, "out");
  assert.ok(await extractFile(deb, "./usr/lib/x/other", target).then(() => false, () => true)); // biome-ignore format: short
  const whole = await readFile(deb);
  await writeFile(deb, whole.subarray(0, whole.length - 10));
  const error = await extractFile(deb, "./usr/lib/x/loader.efi", target).catch((thrown) => thrown);
  assert.is(error.code, "MALFORMED");
  assert.equal((await readdir(dir.path)).sort(), ["tree", "x.deb"]);
});

test.run();

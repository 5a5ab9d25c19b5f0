import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LivelabError } from "../../base/livelab-error.js";
import { TempDir } from "../../base/temp-dir.js";
import { arArchive, arMember, debHead, makeDeb } from "../../fixtures/deb.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import { withVariables } from "../../fixtures/with-variables.js";
import { InputError } from "../builder-error.js";
import { extractFile, findDataMember, unpackDeb } from "./deb-archive.js";

const test = suite("deb archive");
const LOADER = "usr/lib/x/loader.efi";
const failureOf = (work: Promise<unknown>): Promise<LivelabError & { code: string }> =>
  thrownBy(work) as Promise<LivelabError & { code: string }>;

test("extractFile writes one file of a package to its target", async () => {
  await using dir = await TempDir.create("deb");
  const target = join(dir.path, "out.efi");
  await extractFile(await makeDeb(dir.path, LOADER, "loader"), "./usr/lib/x/loader.efi", target);
  assert.is(await readFile(target, "utf8"), "loader");
});

test("extractFile leaves no file behind if the package lacks the member or is truncated", async () => {
  await using dir = await TempDir.create("deb");
  const deb = await makeDeb(dir.path, LOADER, "loader");
  const target = join(dir.path, "out");
  const absent = await failureOf(extractFile(deb, "./usr/lib/x/other", target, "x 1.0"));
  assert.is(absent.code, "MALFORMED");
  assert.is(absent.message, `x 1.0 (${deb}) has no file ./usr/lib/x/other`);
  const whole = await readFile(deb);
  await writeFile(deb, whole.subarray(0, whole.length - 10));
  const error = await failureOf(extractFile(deb, `./${LOADER}`, target));
  assert.is(error.code, "MALFORMED");
  assert.equal((await readdir(dir.path)).sort(), ["tree", "x.deb"]);
});

test("a file that is not a .deb, and a truncated .deb, are rejected with the name and the path of the package", async () => {
  await using dir = await TempDir.create("deb");
  const deb = join(dir.path, "y.deb");
  const data = arMember("data.tar.xz", Buffer.from("123456"));
  const cases: readonly (readonly [why: RegExp, bytes: Buffer])[] = [
    [/no ar magic/, Buffer.alloc(0)],
    [/no ar magic/, Buffer.from("!<arch>")],
    [/no ar magic/, Buffer.from("<html>404</html>")],
    [/no data member/, arArchive()],
    [/no data member/, arArchive(...debHead)],
    [/ends before its data member/, arArchive(...debHead, data.subarray(0, 59))],
    [/ends before its data member/, arArchive(debHead[0] as Buffer, (debHead[1] as Buffer).subarray(0, 61))],
    [/data.tar.xz is truncated/, arArchive(...debHead, data.subarray(0, 63))],
    [/data.tar.lzma has an unknown compression/, arArchive(arMember("data.tar.lzma", Buffer.from("x")))],
    [/bad header at byte 8/, arArchive(Buffer.alloc(60, "x"))],
    [/bad header at byte 8/, arArchive(arMember("long", Buffer.from("x"), "-60"))],
    [/bad header at byte 8/, arArchive(arMember("long", Buffer.from("x"), "1e9"))],
    [/bad header at byte 8/, arArchive(arMember("long", Buffer.from("x"), ""))],
    [/bad header at byte 8/, arArchive(arMember("a-name-longer-than-sixteen", Buffer.from("x")))],
  ];
  for (const [why, bytes] of cases) {
    await writeFile(deb, bytes);
    const works = [() => findDataMember(deb, "y 2"), () => extractFile(deb, "./x", join(dir.path, "out"), "y 2")];
    for (const work of works) {
      const error = await failureOf(work());
      assert.instance(error, InputError, why.source);
      assert.is(error.code, "MALFORMED", why.source);
      assert.match(error.message, why);
      assert.ok(error.message.startsWith(`y 2 (${deb}) is not a valid .deb: `), error.message);
      assert.match(error.hint ?? "", "livelab inputs fetch");
    }
  }
});

test("a package whose data member does not unpack is rejected as invalid", async () => {
  await using dir = await TempDir.create("deb");
  const deb = join(dir.path, "y.deb");
  await writeFile(deb, arArchive(...debHead, arMember("data.tar.xz", Buffer.from("no xz at all"))));
  const error = await failureOf(extractFile(deb, "./x", join(dir.path, "out")));
  assert.is(error.code, "MALFORMED");
  assert.match(error.message, `${deb} is not a valid .deb: `);
});

test("findDataMember rejects a missing package, and a folder in its place, with the path", async () => {
  await using dir = await TempDir.create("deb");
  const absent = await failureOf(findDataMember(join(dir.path, "none.deb"), "z 3"));
  assert.is(absent.code, "NOT_IN_STORE");
  assert.match(absent.message, `z 3 (${join(dir.path, "none.deb")})`);
  assert.is((await failureOf(findDataMember(dir.path))).code, "MALFORMED");
});

test("unpackDeb unpacks the wanted files, without set-user-ID bits, and needs no program of the host", async () => {
  await using dir = await TempDir.create("deb");
  const deb = await makeDeb(dir.path, LOADER, "loader", 0o4755);
  await withVariables({ PATH: "/nonexistent" }, async () => {
    const out = join(dir.path, "out");
    await mkdir(out);
    await unpackDeb(deb, out, (name) => name.startsWith("usr/lib"), "x 1");
    assert.is(await readFile(join(out, LOADER), "utf8"), "loader");
    assert.is((await stat(join(out, LOADER))).mode & 0o7777, 0o755);
    const none = join(dir.path, "none");
    await mkdir(none);
    await unpackDeb(deb, none, () => false, "x 1");
    assert.equal(await readdir(none), []);
  });
});

test.run();

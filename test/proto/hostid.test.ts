/** The hostid and machine-id that early boot derives from the system UUID. */
import { readFile } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FakeInitramfs, shells } from "../../fixtures/proto-initramfs.js";

const test = suite("proto: hostid");
const script = "live-bottom/triton-identity";
const vector = "12345678-9abc-4def-8123-456789abcdef";

/** UUID → hostid. The first is the documented vector; zlib's crc32 computed the others. */
const vectors = [
  [vector, "73cb1ae8"],
  ["44454c4c-4200-1035-8052-b4c04f384c32", "cbcf617f"],
  ["4c4c4544-0042-3510-8052-000000000050", "0080f270"],
  ["61104333-2527-7367-4466-461662446460", "00000001"], // its CRC is 0, which means "no hostid" to ZFS
] as const;

for (const shell of shells) {
  const name = shell.join(" ");

  test(`${name}: the hostid is the CRC-32 of the UUID's 36 characters, in both roots, least significant byte first`, async () => {
    for (const [uuid, hostid] of vectors) {
      await using initramfs = await FakeInitramfs.create({ shell, files: { dmidecode: `${uuid}\n` } });
      await initramfs.run(script);
      assert.equal(await initramfs.console(), [`triton: hostid ${hostid}`]);
      const expected = Buffer.from(hostid, "hex").reverse();
      for (const file of ["etc/hostid", "root/etc/hostid"]) {
        assert.equal(await readFile(initramfs.path(file)), expected, `${file} for ${uuid}`);
      }
      assert.is(
        await initramfs.read("run/modprobe.d/triton-hostid.conf"),
        `options spl spl_hostid=0x${hostid}\n`,
        "ZFS's kernel threads cannot read the new root's file",
      );
    }
  });

  test(`${name}: a second run and an older, longer file change nothing`, async () => {
    await using initramfs = await FakeInitramfs.create({
      shell,
      files: { dmidecode: `${vector}\n`, "etc/hostid": "older, longer" },
    });
    await initramfs.run(script);
    await initramfs.run(script);
    assert.is((await readFile(initramfs.path("etc/hostid"))).toString("hex"), "e81acb73");
  });

  test(`${name}: machine-id is the UUID without dashes, and systemd finds nothing to update`, async () => {
    await using initramfs = await FakeInitramfs.create({ shell, files: { dmidecode: `${vector}\n` } });
    await initramfs.run(script);
    assert.is(await initramfs.read("root/etc/machine-id"), "123456789abc4def8123456789abcdef\n");
    assert.is(await initramfs.read("root/etc/.updated"), "");
    assert.is(await initramfs.read("root/var/.updated"), "");
  });

  test(`${name}: without a UUID from dmidecode, sysfs provides it, and the console reports that`, async () => {
    for (const dmidecode of [
      "",
      "Not Settable\n",
      `# SMBIOS implementations newer than version 3.5.0 are not\n# fully supported\n${vector}\n`,
      `${vector.slice(1)}\n`,
      "00000000-0000-0000-0000-000000000000\n",
    ]) {
      await using initramfs = await FakeInitramfs.create({
        shell,
        files: { dmidecode, "sys/class/dmi/id/product_uuid": `${vector}\n` },
      });
      await initramfs.run(script);
      assert.equal(await initramfs.console(), [
        `triton: system UUID ${vector} read from sysfs, because dmidecode has none`,
        "triton: hostid 73cb1ae8",
      ]);
    }
  });

  test(`${name}: without any UUID the machine has no hostid, one error line reports it, and the boot goes on`, async () => {
    await using initramfs = await FakeInitramfs.create({ shell, files: { dmidecode: "Not Settable\n" } });
    await initramfs.run(script);
    assert.equal(await initramfs.console(), [
      "triton: error: no system UUID in SMBIOS (dmidecode says 'Not Settable'), so this machine has no hostid and ZFS " +
        "will not recognize its pools; set the system UUID in the firmware",
    ]);
    await assertMissing(initramfs, "etc/hostid");
    await assertMissing(initramfs, "root/etc/machine-id");
  });
}

async function assertMissing(initramfs: FakeInitramfs, file: string): Promise<void> {
  const found = await initramfs.read(file).then(
    () => true,
    () => false,
  );
  assert.is(found, false, `${file} exists`);
}

test.run();

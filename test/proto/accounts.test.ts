/** root's password from node.config, and the booter's files that are kept. */
import { chmod, readdir } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FakeInitramfs, shells } from "../../fixtures/proto-initramfs.js";

const test = suite("proto: accounts");
const script = "live-bottom/triton-accounts";
const hash = "$6$salt$abc/DEF.123";
const others = "daemon:*:19000:0:99999:7:::\n";

const open = "root can log in on the console without a password, but not over SSH";
const remedy = "set root_shadow in node.config on the headnode (/usbkey/extra/joysetup), and reboot";
const missing = `triton: error: node.config has no root_shadow: ${open}; ${remedy}`;
const malformed = `triton: error: root_shadow in node.config is not of the form root_shadow='hash': ${open}; ${remedy}`;
const notHash = `triton: error: root_shadow in node.config is not a password hash: ${open}; ${remedy}`;

/** node.config → root's password field, console lines. */
const table: readonly (readonly [text: string, field: string, console: readonly string[]])[] = [
  [`datacenter_name='lab'\nroot_shadow='${hash}'\nswap='0.25x'\n`, hash, []],
  [`root_shadow='${hash}'`, hash, []], // no newline at the end
  [`root_shadow='old'\nroot_shadow='${hash}'\n`, hash, []], // the last one counts, as in a shell that sources the file
  [`#root_shadow='x'\nufds_root_shadow='x'\nroot_shadow_old='x'\n`, "", [missing]],
  ["", "", [missing]],
  ["root_shadow=''\n", "", [missing]],
  [`root_shadow=${hash}\n`, hash, []],
  [`root_shadow="${hash}"\n`, hash, []],
  [`root_shadow='${hash}'\r\n`, hash, []],
  [`root_shadow='${hash}\n`, "", [malformed]],
  [`root_shadow='${hash}'\nroot_shadow='\n`, "", [malformed]],
  ["root_shadow='a'$(touch evil)'b'\n", "", [malformed]],
  ["root_shadow='a:b'\n", "", [notHash]],
];

for (const shell of shells) {
  const name = shell.join(" ");

  test(`${name}: root has the password of node.config, or no password and a console line with the reason`, async () => {
    for (const [text, field, lines] of table) {
      await using initramfs = await FakeInitramfs.create({ shell, files: { "etc/node.config": text } });
      await initramfs.run(script);
      const shadow = await initramfs.read("root/etc/shadow");
      assert.is(shadow, `root:${field}:19000:0:99999:7:::\n${others}`, text);
      assert.equal(await initramfs.console(), lines, text);
    }
  });

  test(`${name}: without node.config root has no password, and the console reports it`, async () => {
    await using initramfs = await FakeInitramfs.create({ shell });
    await initramfs.run(script);
    assert.is(await initramfs.read("root/etc/shadow"), `root::19000:0:99999:7:::\n${others}`);
    assert.equal(await initramfs.console(), [
      `triton: error: no node.config (/etc/node.config in the initramfs): ${open}; ${remedy}`,
    ]);
  });

  test(`${name}: the booter's files are copied byte for byte, readable by root only`, async () => {
    const nodeConfig = `root_shadow='${hash}'\nback='\\slash\\'`;
    const files = { "etc/node.config": nodeConfig, "etc/triton-networking.json": "{}" };
    await using initramfs = await FakeInitramfs.create({ shell, files });
    await initramfs.run(script);
    assert.is(await initramfs.read("root/usr/triton/config/node.config"), nodeConfig);
    assert.is(await initramfs.mode("root/usr/triton/config"), 0o700);
    assert.is(await initramfs.mode("root/usr/triton/config/node.config"), 0o600);
    assert.is(await initramfs.mode("root/usr/triton/config/triton-networking.json"), 0o600);
  });

  test(`${name}: a file that an older image left readable by everyone is replaced, and readable by root only`, async () => {
    const kept = "root/usr/triton/config/node.config";
    const files = { "etc/node.config": `root_shadow='${hash}'\n`, [kept]: "old\n" };
    await using initramfs = await FakeInitramfs.create({ shell, files });
    await chmod(initramfs.path("root/usr/triton/config"), 0o755);
    await chmod(initramfs.path(kept), 0o644);
    await initramfs.run(script);
    assert.is(await initramfs.read(kept), files["etc/node.config"]);
    assert.is(await initramfs.mode("root/usr/triton/config"), 0o700);
    assert.is(await initramfs.mode(kept), 0o600);
  });

  test(`${name}: a file that cannot be copied completely leaves the old one, and is reported`, async () => {
    const kept = "root/usr/triton/config/node.config";
    const files = { "etc/node.config": `root_shadow='${hash}'\n`, [kept]: "old\n" };
    const full = '#!/bin/sh\necho half >"$2"\necho "cp: write error: No space left on device" >&2\nexit 1\n';
    await using initramfs = await FakeInitramfs.create({ shell, files, programs: { cp: full } });
    await initramfs.run(script);
    assert.is(await initramfs.read(kept), "old\n");
    assert.equal(await readdir(initramfs.path("root/usr/triton/config")), ["node.config"]);
    assert.is(
      (await initramfs.console())[0],
      "triton: error: node.config cannot be copied to /usr/triton/config, which may still hold that of an earlier boot; " +
        "check whether the system pool is full, and reboot",
    );
  });

  test(`${name}: the agents' environment is copied from the image's default, and an existing one stays unchanged`, async () => {
    await using initramfs = await FakeInitramfs.create({ shell });
    await initramfs.run(script);
    assert.is(await initramfs.read("root/usr/triton/config/systemd.env"), "PATH=/bin\n");

    const kept = { "root/usr/triton/config/systemd.env": "PATH=/operators\n" };
    await using another = await FakeInitramfs.create({ shell, files: kept });
    await another.run(script);
    assert.is(await another.read("root/usr/triton/config/systemd.env"), "PATH=/operators\n");
  });

  test(`${name}: a complete boot leaves no trace of the hash in the log or on a console`, async () => {
    const files = { "etc/node.config": `root_shadow='${hash}'\n` };
    await using initramfs = await FakeInitramfs.create({ shell, files });
    await initramfs.boot();
    const log = await initramfs.read("run/triton/early-boot.log");
    assert.match(log, "triton-networking: error: no networking.json");
    assert.is(await initramfs.mode("run/triton/early-boot.log"), 0o600);
    for (const text of [log, await initramfs.read("dev/ttyS1")]) assert.is(text.includes("salt"), false);
  });
}

test.run();

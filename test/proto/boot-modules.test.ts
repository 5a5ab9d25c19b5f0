/** The server's boot modules: from iPXE's modules to the new root. */
import { chmod, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { FakeInitramfs, shells } from "../../fixtures/proto-initramfs.js";

const test = suite("proto: boot modules");
const script = "live-bottom/triton-boot-modules";
const hook = join(findProjectRoot(), "proto/usr/share/initramfs-tools/hooks/triton-boot-modules");
const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false); // biome-ignore format: pairs

for (const shell of shells) {
  const name = shell.join(" ");

  test(`${name}: each module is in the new root at the path that boot.ipxe names, byte for byte, for root only`, async () => {
    const bytes = Buffer.from([0, 0x80, 0xff, 10, 0x5c]);
    const files = {
      "etc/triton-custom.conf": "hello",
      "etc/triton-etc/modprobe.d/x.conf": bytes,
      "etc/triton-networking.json.old": "mine",
    };
    await using initramfs = await FakeInitramfs.create({ shell, files });
    await mkdir(initramfs.path("etc/triton-etc/sysctl.d"));
    for (const file of Object.keys(files)) await chmod(initramfs.path(file), 0o644); // as iPXE delivers it
    await initramfs.run(script);
    assert.is(await initramfs.read("root/etc/triton-custom.conf"), "hello");
    assert.is(await initramfs.read("root/etc/triton-etc/modprobe.d/x.conf"), bytes.toString());
    assert.is(await initramfs.mode("root/etc/triton-custom.conf"), 0o600);
    assert.is(await initramfs.mode("root/etc/triton-etc"), 0o700);
    assert.not(await exists(initramfs.path("root/etc/triton-etc/sysctl.d")), "a folder without a module is not copied");
    assert.equal(await initramfs.console(), [
      "triton: boot modules: /etc/triton-custom.conf /etc/triton-etc/modprobe.d/x.conf /etc/triton-networking.json.old",
    ]);
  });

  test(`${name}: networking.json, its hash and node.config are no boot modules, and without modules nothing is said`, async () => {
    for (const files of [
      {},
      { "etc/triton-networking.json": "{}", "etc/triton-networking.json.hash": "0", "etc/node.config": "" },
    ]) {
      await using initramfs = await FakeInitramfs.create({ shell, files });
      await initramfs.run(script);
      assert.is(await exists(initramfs.path("root/etc/triton-networking.json")), false);
      assert.equal(await initramfs.console(), []);
    }
  });

  test(`${name}: a module that cannot be copied is reported, leaves no part of itself, and the others are copied`, async () => {
    const files = { "etc/triton-a": "a", "etc/triton-b": "b" };
    const full =
      '#!/bin/sh\ncase $1 in */triton-a) echo half >"$2"; echo "cp: No space left on device" >&2; exit 1 ;; esac\nexec /bin/cp "$@"\n';
    await using initramfs = await FakeInitramfs.create({ shell, files, programs: { cp: full } });
    await initramfs.run(script);
    assert.not(await exists(initramfs.path("root/etc/triton-a")));
    assert.is(await initramfs.read("root/etc/triton-b"), "b");
    assert.equal(await initramfs.console(), [
      "triton: error: the boot module /etc/triton-a cannot be copied to the new root; " +
        "check /run/triton/early-boot.log, whether this machine has free memory, and the module's path in CNAPI",
      "triton: boot modules: /etc/triton-b",
    ]);
    assert.match(await initramfs.read("run/triton/early-boot.log"), "No space left on device");
  });

  test(`${name}: a module whose name is not one printable word is reported and left out`, async () => {
    for (const file of ["a b", "a\x1b[2J", "ä", "*"]) {
      const path = `etc/triton-${file}`;
      await using initramfs = await FakeInitramfs.create({ shell, files: { [path]: "x", "etc/triton-z": "z" } });
      await initramfs.run(script);
      const lines = await initramfs.console();
      assert.is(
        lines.at(-1),
        file === "*" ? "triton: boot modules: /etc/triton-* /etc/triton-z" : "triton: boot modules: /etc/triton-z",
      );
      assert.is(await exists(initramfs.path(`root/${path}`)), file === "*", file);
      if (file === "*") continue;
      const shown = path.replace(/[^!-~]/g, "");
      assert.is(
        lines[0],
        `triton: error: a boot module has a name that is not one printable word (/${shown}), so it is left out; correct its path in CNAPI`,
      );
    }
  });

  test(`${name}: the initramfs has a folder for modules for each folder below the image's /etc`, async () => {
    await using image = await TempDir.create("image");
    await using initrd = await TempDir.create("initrd");
    for (const folder of ["etc/modprobe.d", "etc/systemd/system/a b.d", "usr/lib"]) {
      await mkdir(join(image.path, folder), { recursive: true });
    }
    const [program, ...args] = shell;
    await runProgram(program, [...args, hook], {
      env: { PATH: "/usr/bin:/bin", TRITON_SYSROOT: image.path, DESTDIR: initrd.path },
    });
    const { stdout } = await runProgram("find", [initrd.path, "-type", "d", "-printf", "%P\n"]);
    assert.equal(stdout.trim().split("\n").sort(), [
      "etc",
      "etc/triton-etc",
      "etc/triton-etc/modprobe.d",
      "etc/triton-etc/systemd",
      "etc/triton-etc/systemd/system",
      "etc/triton-etc/systemd/system/a b.d",
    ]);
  });
}

test("the hook of boot modules needs no other hook before it", async () => {
  assert.is((await runProgram(hook, ["prereqs"])).stdout.trim(), "");
});

test.run();

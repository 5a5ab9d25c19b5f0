/** A boot from a medium: which medium live-boot uses, and that the booter's files are not reported as missing. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FakeInitramfs, shells } from "../../fixtures/proto-initramfs.js";

const test = suite("proto: boot from a medium");

const label = "dev/disk/by-label/TRITON_20260102T030405Z";
const path = "/platform-20260102T030405Z/x86_64";
const cmdline = (...more: string[]): string =>
  ["boot=live", "console=ttyS1,115200n8", `live-media=/${label}`, `live-media-path=${path}`, ...more].join(" ");

/** live-boot's own functions: its search, and a check of one device that finds the root if the device contains "squashfs". */
const liveBoot = `find_livefs() { echo stock; }
check_dev() { grep -q squashfs "$2" && echo /run/live/medium; }
`;
const search = (...tries: number[]): string =>
  `LIVE_MEDIA=$TRITON_SYSROOT/${label} LIVE_MEDIA_PATH=${path}\n${tries.map((n) => `find_livefs ${n} || echo none`).join("\n")}`;

for (const shell of shells) {
  const name = shell.join(" ");

  test(`${name}: the search finds the medium that the kernel argument names, as soon as it appears`, async () => {
    const files = { "proc/cmdline": `${cmdline()}\n`, [label]: "squashfs" };
    await using there = await FakeInitramfs.create({ shell, files });
    assert.is(await there.runInLiveBoot(search(0), liveBoot), "/run/live/medium\n");

    await using late = await FakeInitramfs.create({ shell, files: { "proc/cmdline": `${cmdline()}\n` } });
    const plugIn = `mkdir -p "$TRITON_SYSROOT/dev/disk/by-label"; echo squashfs >"$TRITON_SYSROOT/${label}"`;
    const found = await late.runInLiveBoot(`${search(0, 1)}\n${plugIn}\n${search(2)}`, liveBoot);
    assert.is(found, "none\nnone\n/run/live/medium\n");
    assert.equal(await late.console(), []);
  });

  test(`${name}: the search ignores every other medium, and its last try reports the missing one`, async () => {
    for (const files of [{}, { [label]: "something else" }] as const) {
      await using initramfs = await FakeInitramfs.create({
        shell,
        files: { "proc/cmdline": `${cmdline()}\n`, "dev/disk/by-label/OTHER": "squashfs", ...files },
      });
      assert.is(await initramfs.runInLiveBoot(search(0, 58, 59), liveBoot), "none\nnone\nnone\n");
      assert.equal(await initramfs.console(), [
        `triton: error: no medium ${initramfs.path(label)} with ${path}/filesystem.squashfs was found in 59 s; ` +
          "check that it is plugged in, or write it again",
      ]);
    }
  });

  test(`${name}: any other boot keeps live-boot's own search`, async () => {
    for (const other of [
      "boot=live",
      "boot=live live-media=removable",
      "boot=live x.live-media=/dev/disk/by-label/A",
    ]) {
      await using initramfs = await FakeInitramfs.create({ shell, files: { "proc/cmdline": `${other}\n` } });
      assert.is(await initramfs.runInLiveBoot(search(0), liveBoot), "stock\n", other);
    }
  });

  test(`${name}: the booter's files are not reported as missing`, async () => {
    for (const [argument, line] of [
      [
        "triton.dhcp-all-nics",
        "triton: DHCP on all NICs that networking.json does not configure (triton.dhcp-all-nics)",
      ],
      ["quiet", "triton: booted from a medium and without triton.dhcp-all-nics, so no NIC is configured"],
    ] as const) {
      await using initramfs = await FakeInitramfs.create({
        shell,
        files: { "proc/cmdline": `${cmdline(argument)}\n`, "root/etc/hostname": "debian-live-20260102T030405Z\n" },
      });
      for (const script of ["live-premount/triton-networking", "live-bottom/triton-networking"]) {
        await initramfs.run(script);
      }
      await initramfs.run("live-bottom/triton-accounts");
      assert.equal(await initramfs.console(), [
        line,
        "triton: hostname debian-live-20260102T030405Z",
        "triton: root can log in on the console without a password, but not over SSH",
      ]);
      assert.match(await initramfs.read("root/etc/hosts"), "127.0.1.1 debian-live-20260102T030405Z\n");
    }
  });
}

test.run();

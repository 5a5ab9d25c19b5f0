import { suite } from "uvu";
import * as assert from "uvu/assert";
import { consoleText, judgeConsole, lastLines } from "./cloud-console.js";

const test = suite("cloud console");

test("consoleText removes colours, cursor moves and carriage returns", () => {
  const bytes = Buffer.from("\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS\r\n[\x1b[0;32m  OK  \x1b[0m] Started\r\n");
  assert.is(consoleText(bytes), "SeaBIOS\n[  OK  ] Started\n");
});

test("a login prompt ends a boot, and the verdict says whether cloud-init ran", () => {
  const prompt = "\nDebian GNU/Linux 12 localhost ttyS0\n\nlocalhost login: ";
  assert.equal(judgeConsole(`[    0.0] Linux version 6.1.0${prompt}`), { kind: "login", cloudInit: false });
  const withCloudInit = `[   35.2] cloud-init[246]: Cloud-init v. 22.4.2 running 'init-local'${prompt}`;
  assert.equal(judgeConsole(withCloudInit), { kind: "login", cloudInit: true });
});

test("lines that only mention a login or the emergency mode do not end a boot", () => {
  const lines = [
    "GRUB loading...",
    "[  OK  ] Reached target emergency.target",
    "systemd-logind: New session, login: no",
  ];
  assert.equal(judgeConsole(`${lines.join("\n")}\n`), { kind: "booting" });
});

for (const [line, reason] of [
  ["No bootable device.  Retrying in 60 seconds.", "it has no boot loader"],
  ["grub rescue> ", "its boot loader finds no system"],
  ["(initramfs) ", "it stopped at the initramfs shell"],
  ["[    2.4] Kernel panic - not syncing: VFS: Unable to mount root fs", "its kernel panicked"],
  ["You are in emergency mode. After logging in, type", "systemd went into emergency mode"],
] as const) {
  test(`"${line}" ends the wait`, () => {
    assert.equal(judgeConsole(`SeaBIOS\n${line}`), { kind: "dead", reason });
  });
}

test("lastLines skips empty lines", () => {
  assert.equal(lastLines("a\n\nb\n \nc\n\n", 2), ["b", "c"]);
});

test.run();

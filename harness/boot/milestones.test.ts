import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FedLine } from "../../fixtures/fed-line.js";
import { Console } from "../console/console.js";
import { type FatalReason, type MilestoneName, MilestoneRecorder } from "./milestones.js";

const test = suite("MilestoneRecorder");

/** A recorder on a console whose clock moves on by one second for each chunk. */
async function recording(chunks: readonly string[]): Promise<MilestoneRecorder> {
  const line = new FedLine();
  let seconds = 0;
  await using console = new Console(line, { sincePowerOnMs: () => seconds * 1000 });
  const recorder = new MilestoneRecorder();
  recorder.observe(console);
  for (const chunk of chunks) {
    seconds += 1;
    line.feed(chunk);
  }
  return recorder;
}

const lines: readonly (readonly [MilestoneName, string])[] = [
  [
    "kernel",
    "[    0.000000] Linux version 6.1.0-40-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0)\r\n",
  ],
  ["verified", "triton: verified filesystem.squashfs, sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709\r\n"],
  ["hostid", "triton: hostid 73cb1ae8\r\n"],
  ["system-pool", "triton: system pool zones, degraded\r\n"],
  ["system-pool", "triton: system pool not imported (noimport=true)\r\n"],
  [
    "pivot",
    "[   30.113927] systemd[1]: systemd 252.39-1~deb12u1 running in system mode (+PAM +AUDIT +SELINUX -BPF_FRAMEWORK)\r\n",
  ],
  ["pivot", "\r\nWelcome to \x1b[1mDebian GNU/Linux 12 (bookworm)\x1b[0m!\r\n\r\n"],
  ["networkd", "triton: network admin0 10.99.99.38/24 52:54:00:aa:00:01\r\n"],
  ["login", "\r\nDebian GNU/Linux 12 cn7 ttyS1\r\n\r\ncn7 login: "],
];

for (const [name, text] of lines) {
  test(`sees ${name} in ${JSON.stringify(text.trim().slice(0, 60))}`, async () => {
    const { reached } = await recording([text]);
    const wanted = name === "pivot" && text.startsWith("[") ? ["kernel", "pivot"] : [name]; // a kernel stamp is the kernel's
    assert.equal(
      reached.map((event) => event.name),
      wanted,
    );
  });
}

test("a line that only looks like one reaches nothing", async () => {
  const { reached } = await recording([
    "triton: hostid unknown\r\n",
    "triton: waiting up to 10 s for a disk with the system pool on it\r\n",
    "triton: error: pool zones: not imported: what says 'triton: system pool none'\r\n",
    "Last login: Sun Nov 23 00:00:00 UTC 2025 on ttyS1\r\n",
    "Starting login: done\r\n",
    "Stopped systemd-networkd\r\n",
  ]);
  assert.equal(reached, []);
});

test("GRUB's welcome is not systemd's", async () => {
  const recorder = await recording([
    "\x1b[H\x1b[J\x1b[1;1HWelcome to GRUB!\r\n\r\n",
    "error: no suitable video mode found.\r\n",
  ]);
  assert.equal(recorder.reached, []);
});

test("keeps the first time of each and the order in which they came", async () => {
  const recorder = await recording([
    "[    0.000000] Linux version 6.1.0-40-amd64\r\n",
    "triton: hostid 73cb1ae8\r\n",
    "triton: network admin0 10.99.99.38/24\r\ntriton: network external0 10.88.88.38/24\r\n",
    "Welcome to Debian GNU/Linux 12 (bookworm)!\r\n",
  ]);
  recorder.record({ name: "ipxe-script", atMs: 400, detail: "GET /boot.ipxe.01525400AA0001" });
  recorder.record({ name: "ipxe-script", atMs: 9_000, detail: "again" });
  assert.equal(
    recorder.reached.map(({ name, atMs }) => `${name} ${atMs}`),
    ["ipxe-script 400", "kernel 1000", "hostid 2000", "networkd 3000", "pivot 4000"],
  );
  assert.is(recorder.last?.detail, "Welcome to Debian GNU/Linux 12 (bookworm)!");
});

test("a later milestone implies the kernel and the pivot where their lines are not printed, as with quiet", async () => {
  const quiet = await recording([
    "triton: hostid 73cb1ae8\r\n",
    "\r\nDebian GNU/Linux 12 cn7 ttyS1\r\n\r\ncn7 login: ",
  ]);
  assert.equal(
    quiet.reached.map(({ name }) => name),
    ["hostid", "login"],
  );
  assert.ok(quiet.has("kernel") && quiet.has("pivot"));
  assert.is(quiet.implierOf("kernel")?.name, "hostid");
  assert.is(quiet.implierOf("pivot")?.name, "login");
});

test("the headnode's transcript implies the kernel, and a link that is announced before the pivot does not imply it", () => {
  const recorder = new MilestoneRecorder();
  recorder.record({ name: "initrd-fetch", atMs: 1, detail: "" });
  assert.not(recorder.has("kernel"));
  recorder.record({ name: "live-boot-fetch", atMs: 2, detail: "" });
  assert.is(recorder.implierOf("kernel")?.name, "live-boot-fetch");
  recorder.record({ name: "networkd", atMs: 3, detail: "" });
  assert.not(recorder.has("pivot"));
});

test("what the early boot states or the headnode sends is proved by itself alone, and what is seen is not implied", () => {
  const recorder = new MilestoneRecorder();
  recorder.record({ name: "kernel", atMs: 1, detail: "" });
  recorder.record({ name: "login", atMs: 2, detail: "" });
  assert.is(recorder.implierOf("kernel"), undefined);
  for (const name of [
    "loader-fetch",
    "modules-fetch",
    "live-boot-fetch",
    "verified",
    "hostid",
    "system-pool",
    "networkd",
  ] as const) {
    assert.not(recorder.has(name), name);
  }
  recorder.record({ name: "pivot", atMs: 3, detail: "Welcome" });
  assert.is(recorder.implierOf("pivot"), undefined);
  assert.equal(
    recorder.reached.map(({ name }) => name),
    ["kernel", "login", "pivot"],
  );
});

const fatal: readonly (readonly [FatalReason, string, string])[] = [
  [
    "kernel-panic",
    "[    2.410000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n",
    "VFS: Unable to mount root fs",
  ],
  [
    "kernel-panic",
    "triton: host[    2.410000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\r\n",
    "Attempted to kill init!",
  ],
  [
    "out-of-memory",
    "[   20.123456] Out of memory: Killed process 1 (systemd) total-vm:168000kB, anon-rss:4000kB, file-rss:0kB\r\n",
    "Killed process 1",
  ],
  [
    "live-boot-failed",
    "  \x1b[1;37mBOOT FAILED!\x1b[0m\r\n\r\n  This Live System image failed to boot.\r\n\r\n  live-boot will now start a shell. The error message was:\r\n\r\n    Unable to find a medium containing a live file system\r\n",
    "Unable to find a medium containing a live file system",
  ],
  [
    "wrong-squashfs",
    "triton: error: filesystem.squashfs is not the one that filesystem.squashfs.hash names: expected sha1 0f, got 1f; x\r\n",
    "expected sha1 0f, got 1f",
  ],
  [
    "initramfs-shell",
    "\r\nBusyBox v1.35.0 (Debian 1:1.35.0-4+b3) built-in shell (ash)\r\n\r\n\x1b[6n(initramfs) ",
    "(initramfs)",
  ],
  [
    "emergency-shell",
    'You are in emergency mode. After logging in, type "journalctl -xb" to view\r\nsystem logs\r\n',
    "You are in emergency mode.",
  ],
  ["emergency-shell", 'You are in rescue mode. After logging in, type "journalctl -xb" to view\r\n', "rescue"],
  ["emergency-shell", "Cannot open access to console, the root account is locked.\r\n", "root account is locked"],
  [
    "squashfs-error",
    "[   31.500000] SQUASHFS error: xz decompression failed, data probably corrupt\r\n",
    "xz decompression failed",
  ],
  [
    "squashfs-error",
    "[   31.500000] I/O error, dev loop0, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2\r\n",
    "dev loop0",
  ],
  ["ipxe-prompt", "Exiting iPXE shell\r\niPXE> ", "iPXE>"],
  [
    "ipxe-prompt",
    "Could not boot: No such file or directory (https://ipxe.org/2d0c618e)\r\n",
    "No such file or directory",
  ],
  ["firmware-prompt", "\x1b[2J\x1b[01;01HBdsDxe: No bootable option or device was found.\r\n", "No bootable option"],
  [
    "ipxe-prompt",
    // SeaBIOS breaks the lines of its serial console at 80 columns.
    "Press Ctrl-B...\b \b\b \bCould not boot image: No such file or directory (http\r\n://ipxe.org/2d0c618e)\r\n",
    "Could not boot image: No such file or directory",
  ],
  ["firmware-prompt", "Press Ctrl-B...\b \b\b \b\r\nBooting from ROM...  No bootable device.", "No bootable device."],
  ["firmware-prompt", "\x1b[1mShell> \x1b[0m", "Shell>"],
  [
    "firmware-prompt",
    '\x1b[2J\x1b[01;01HBdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x1,0x0): Not Found\r\n',
    "failed to load Boot0001",
  ],
  [
    "firmware-prompt",
    'BdsDxe: failed to start Boot0001 "UEFI PXEv4 (MAC:525400990038)" from PciRoot(0x0): Time out\r\n',
    "failed to start Boot0001",
  ],
];

for (const [reason, text, said] of fatal) {
  test(`takes ${JSON.stringify(said)} for ${reason}`, async () => {
    const { fatalSigns } = await recording([text]);
    assert.equal(
      fatalSigns.map((sign) => sign.reason),
      [reason],
    );
    assert.ok(fatalSigns[0]?.text.includes(said), fatalSigns[0]?.text);
    assert.not.match(fatalSigns[0]?.text ?? "", "Press Ctrl-B"); // what stood on the line before it says nothing
  });
}

test("takes a second beginning of the kernel for a reset", async () => {
  const banner = "[    0.000000] Linux version 6.1.0-40-amd64 (debian-kernel@lists.debian.org)\r\n";
  const { fatalSigns } = await recording([banner, "[    1.000000] x\r\n", banner]);
  assert.equal(
    fatalSigns.map(({ reason, atMs }) => [reason, atMs]),
    [["restarted", 3000]],
  );
});

test("an ordinary boot shows no fatal sign", async () => {
  const { fatalSigns } = await recording([
    "[    0.100000] Kernel command line: boot=live panic=30 console=ttyS1,115200n8\r\n",
    "[   10.000000] squashfs: version 4.0 (2009/01/31) Phillip Lougher\r\n",
    "[\x1b[0;32m  OK  \x1b[0m] Reached target emergency-net.target\r\n",
    "Begin: Trying wget http://10.99.99.7/os/x/platform/x86_64/filesystem.squashfs -O /run/live/medium ... done.\r\n",
  ]);
  assert.equal(fatalSigns, []);
});

test.run();

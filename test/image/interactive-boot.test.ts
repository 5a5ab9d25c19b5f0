/**
 * `livelab boot --interactive` with the image, on a real terminal: a person logs in on the console, works there, and leaves.
 * One boot answers all questions. test/machine/boot-terminal.test.ts has the ways in which a boot can end.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isThere } from "../../base/is-there.js";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { qemuOf } from "../../fixtures/qemu-processes.js";
import { terminalLack } from "../../fixtures/terminal.js";
import { sharedHome } from "../../fixtures/toy-stage.js";
import { sendSignal, terminalModes, UserShell } from "../../fixtures/user-shell.js";
import { within } from "../../fixtures/vm-deadline.js";
import { testUnless } from "../runner/skip-test.js";

const suiteOfTerminals = suite("interactive boot");
const root = findProjectRoot();
const image = join(root, "out/latest");
const lack =
  terminalLack ??
  ((await isThere(join(image, "vmlinuz"))) ? undefined : "out/latest has no image; build one: npm run build:hermetic");

/** Longest wait for a milestone of an emulated boot on a busy host, in milliseconds. */
const BOOT_MS = 8 * 60_000;
const GUEST = /root@\S+# $/;

async function workOnTheConsole(): Promise<void> {
  await using dir = await TempDir.create("interactive");
  await using user = await UserShell.open({ LIVELAB_HOME: sharedHome() });
  const { terminal } = user;
  const nodeConfig = join(root, "fixtures/node.config");
  const pid = await user.startLivelab(
    `boot --interactive --append triton.dhcp-all-nics --node-config ${nodeConfig} --report ${dir.path}/report ${image}`,
  );
  await terminal.waitFor(/login: $/, BOOT_MS);
  await user.ask("root", /Password: $/);
  const password = (await readFile(`${nodeConfig}.password`, "utf8")).trim();
  await terminal.write(`${password}\r`);
  await terminal.waitFor(GUEST);
  await user.ask("dmesg -n 1", GUEST);

  // Ctrl-C and Ctrl-Z reach the program in the guest.
  await user.stopWithKeys(GUEST);

  // A stop of livelab gives the terminal back, and fg takes it again.
  const joined = await terminalModes(pid);
  sendSignal(pid, "SIGTSTP");
  await terminal.waitFor(/Stopped/);
  await user.prompt();
  assert.is(await user.modesNow(), user.modes);
  await user.ask("fg", /exec .*\r\n/);
  while ((await terminalModes(pid)) !== joined) await sleep(50);
  await user.ask("echo a'gain'", /again\r\n/);

  // A paste arrives whole and in order.
  const paste = Array.from({ length: 12_800 }, (_, index) => `${String(index).padStart(7, "0")}\r`).join("");
  const digest = createHash("sha256").update(paste).digest("hex");
  await user.ask(`stty raw -echo; echo rea'dy'; head -c ${paste.length} | sha256sum; stty sane`, /ready/);
  await terminal.write(paste);
  await terminal.waitFor(new RegExp(digest), 120_000);

  // A terminal that stalls and then reads slowly loses nothing.
  await user.ask("echo rea'dy'; stty -echo; seq -f %019.0f 10000; stty echo; echo do'ne'", /ready\r\n/);
  const begin = terminal.screen.length;
  terminal.pause();
  await sleep(3_000);
  const stop = terminal.onData(() => {
    terminal.pause();
    setTimeout(() => terminal.resume(), 2);
  });
  terminal.resume();
  while (!terminal.screen.slice(begin).includes("done\r\n")) await sleep(50);
  stop();
  const lines = terminal.screen.slice(begin).split("\r\n");
  for (let number = 1; number <= 10_000; number += 1) assert.is(Number(lines.shift()), number);

  // Ctrl-] leaves; the boot has passed.
  await terminal.write("\x1d");
  await terminal.waitFor(/passed: login after/, 60_000);
  await user.prompt();
  assert.is(await user.status(), 0);
  assert.is(await user.modesNow(), user.modes);
  assert.equal(await qemuOf(dir.path), []);
}

testUnless(
  suiteOfTerminals,
  "a person works on the console: keys, stops, a large paste and a slow terminal; Ctrl-] leaves a boot that passed",
  lack,
  within(15 * 60_000, workOnTheConsole),
);

suiteOfTerminals.run();

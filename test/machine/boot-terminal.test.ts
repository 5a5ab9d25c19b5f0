/**
 * `livelab boot --interactive` on a real terminal, while the firmware runs: how it leaves the terminal. The images are empty.
 * The console of a booted image: test/image/interactive-boot.test.ts.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DisposableStack } from "../../base/disposable-stack.js";
import { TempDir } from "../../base/temp-dir.js";
import { qemuOf } from "../../fixtures/qemu-processes.js";
import { terminalLack } from "../../fixtures/terminal.js";
import { linkHome } from "../../fixtures/toy-stage.js";
import { sendSignal, terminalModes, UserShell } from "../../fixtures/user-shell.js";
import { within } from "../../fixtures/vm-deadline.js";
import type { BootReport } from "../../harness/boot/boot-report.js";
import { testUnless } from "../runner/skip-test.js";

const suiteOfTerminals = suite("livelab boot --interactive on a terminal");
const test = (title: string, body: () => Promise<void>): void =>
  testUnless(suiteOfTerminals, title, terminalLack, within(120_000, body));

/** Starts a person's shell, and in it a boot whose console is joined. @param words further options */
async function openScene(words = "") {
  await using cleanup = new DisposableStack();
  const image = cleanup.use(await TempDir.create("boot-terminal")).path;
  for (const name of ["vmlinuz", "initrd", "filesystem.squashfs"]) {
    await writeFile(join(image, name), Buffer.alloc(1024 * 1024));
  }
  const home = await linkHome(cleanup.use(await TempDir.create("boot-home")).path);
  const user = cleanup.use(await UserShell.open({ LIVELAB_HOME: home }));
  const reportDir = join(image, "report");
  const pid = await user.startLivelab(`boot --interactive --report ${reportDir} ${words} ${image}`);
  await user.terminal.waitFor(/Ctrl-\] disconnects\r?\n/);
  const owned = cleanup.move();
  return {
    user,
    pid,
    qemu: () => qemuOf(reportDir),
    report: async () => JSON.parse(await readFile(join(reportDir, "report.json"), "utf8")) as BootReport,
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

test("Ctrl-] leaves, the boot has failed, and the terminal has its modes again", async () => {
  await using scene = await openScene();
  const { user } = scene;
  await user.terminal.write("\x1d");
  await user.terminal.waitFor(/the terminal was disconnected before the boot reached login/);
  await user.prompt();
  assert.is(await user.status(), 1);
  assert.is(await user.modesNow(), user.modes);
  assert.equal(await scene.qemu(), []);
});

test("a stop gives the terminal back, and fg takes it again", async () => {
  await using scene = await openScene();
  const { user, pid } = scene;
  const joined = await terminalModes(pid);
  assert.is.not(joined, user.modes);
  sendSignal(pid, "SIGTSTP");
  await user.terminal.waitFor(/Stopped/);
  await user.prompt();
  assert.is(await user.modesNow(), user.modes);
  await user.ask("fg", /exec .*\r\n/);
  while ((await terminalModes(pid)) !== joined) await sleep(50);
  await user.terminal.write("\x03"); // in cooked mode, it would interrupt livelab
  await user.terminal.write("\x1d");
  await user.terminal.waitFor(/the terminal was disconnected before the boot reached login/);
  await user.prompt();
  assert.is(await user.status(), 1);
  assert.is(await user.modesNow(), user.modes);
});

test("a killed QEMU is reported, and the terminal has its modes again", async () => {
  await using scene = await openScene();
  const { user } = scene;
  for (const pid of await scene.qemu()) sendSignal(pid, "SIGKILL");
  await user.terminal.waitFor(/SIGKILL/);
  await user.prompt();
  assert.is(await user.status(), 3);
  assert.is(await user.modesNow(), user.modes);
});

test("a closed window ends livelab and QEMU, and the report is written", async () => {
  await using scene = await openScene();
  await scene.user.terminal.hangUp();
  while (sendSignal(scene.pid, "SIGHUP")) await sleep(20);
  assert.equal(await scene.qemu(), []);
  assert.is.not((await scene.report()).verdict.outcome, "passed");
});

suiteOfTerminals.run();

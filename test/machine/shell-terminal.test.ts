/** `livelab shell` on a real terminal, typed into a person's own shell, with keys, pastes, stops and a window that closes. */
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DisposableStack } from "../../base/disposable-stack.js";
import { TempDir } from "../../base/temp-dir.js";
import { openHome } from "../../builder/home/home.js";
import { saveRelease } from "../../builder/release/release.js";
import { sandboxLack } from "../../fixtures/sandbox-lack.js";
import { terminalLack } from "../../fixtures/terminal.js";
import { linkHome, TOY_STAMP } from "../../fixtures/toy-stage.js";
import { SLEEP, sendSignal, UserShell } from "../../fixtures/user-shell.js";
import { within } from "../../fixtures/vm-deadline.js";
import { testUnless } from "../runner/skip-test.js";

const suiteOfTerminals = suite("livelab shell on a terminal");
/** A machine for each test: with emulated VMs, they would take minutes. */
const lack = terminalLack ?? sandboxLack;
const test = (title: string, body: () => Promise<void>): void =>
  testUnless(suiteOfTerminals, title, lack, within(90_000, body));

const GUEST = new RegExp(`${TOY_STAMP}:\\S*# $`);

interface Scene extends AsyncDisposable {
  readonly user: UserShell;
  readonly homeRoot: string;
  /** Process of livelab. */
  readonly pid: number;
}

/** Starts a person's shell, and in it a livelab shell in a release without stages. @param command to run in place of the shell */
async function openScene(command?: string): Promise<Scene> {
  await using cleanup = new DisposableStack();
  const homeRoot = await linkHome(cleanup.use(await TempDir.create("shell-terminal")).path);
  const record = { version: 1, stamp: TOY_STAMP, profile: "bookworm", machine: "sandbox" } as const;
  await saveRelease(await openHome(homeRoot), { ...record, stages: [] });
  const user = cleanup.use(await UserShell.open({ LIVELAB_HOME: homeRoot }));
  const pid = await user.startLivelab(`shell -r ${TOY_STAMP}${command === undefined ? "" : ` -- ${command}`}`);
  if (command === undefined) await user.terminal.waitFor(GUEST);
  const owned = cleanup.move();
  return { user, homeRoot, pid, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

test("a new size of the window reaches the programs in the release", async () => {
  await using scene = await openScene();
  await scene.user.ask("stty size", /\r24 80\r\n/);
  scene.user.terminal.resize(132, 50);
  await scene.user.ask('until [ "$(stty size)" = "50 132" ]; do sleep 0.1; done; echo re"sized"', /resized/);
});

test("every control key reaches the program in the release: Ctrl-C ends it, Ctrl-Z stops it, Ctrl-] is a character", async () => {
  await using scene = await openScene();
  const { user } = scene;
  const { terminal } = user;
  await user.stopWithKeys(GUEST);
  await user.ask("stty raw -echo; echo rea'dy'; head -c 33 | od -An -v -tx1 | tr -d '\\n'; stty sane", /ready/);
  const keys = Buffer.from([...Array(32).keys(), 127]);
  await terminal.write(keys);
  await terminal.waitFor(new RegExp(keys.toString("hex").replaceAll(/../g, " $&")));
});

test("a paste of 100 KB arrives whole and in order", async () => {
  await using scene = await openScene();
  const { user } = scene;
  const { terminal } = user;
  const pasted = Buffer.from(
    Array.from({ length: 12_800 }, (_, index) => String(index).padStart(7, "0"))
      .join("\r")
      .concat("\r"),
  );
  assert.is(pasted.length, 102_400);
  const received = Buffer.from(pasted.toString().replaceAll("\r", "\n"));
  const digest = createHash("sha256").update(received).digest("hex");
  await user.ask("echo rea'dy'; cat >/tmp/pasted", /ready\r\n/);
  await terminal.write(pasted);
  await terminal.waitFor(/0012799\r\n/); // its echo
  await terminal.write("\x04");
  await terminal.waitFor(GUEST);
  await user.ask("sha256sum </tmp/pasted", new RegExp(digest));
  await user.ask(`stty raw -echo; echo rea'dy'; head -c ${pasted.length} | sha256sum; stty sane`, /ready/);
  await terminal.write(pasted);
  await terminal.waitFor(new RegExp(createHash("sha256").update(pasted).digest("hex")));
});

test("a terminal that stalls and then reads slowly holds up the program in the release, and loses nothing", async () => {
  await using scene = await openScene();
  const { user } = scene;
  const { terminal } = user;
  // 8 MB are more than all buffers on the way. Each round of 100 KB ends with its time.
  const [rounds, lines] = [80, 1_000];
  const program = `for r in $(seq ${rounds}); do seq -f %098.0f $((r * ${lines} - ${lines - 1})) $((r * ${lines})); date +%s%3N; done`;
  await user.ask(`echo rea'dy'; stty -echo; ${program}; echo do'ne'; stty echo`, /ready\r\n/);
  const begin = terminal.screen.length;
  terminal.pause();
  await sleep(2_000);
  const resumedAt = Date.now();
  const stop = terminal.onData(() => {
    terminal.pause();
    setTimeout(() => terminal.resume(), 1);
  });
  terminal.resume();
  while (!terminal.screen.endsWith("# ")) await sleep(50);
  stop();
  const received = terminal.screen.slice(begin).split("\r\n");
  const times: number[] = [];
  for (let number = 1; number <= rounds * lines; number += 1) {
    assert.is(Number(received.shift()), number);
    if (number % lines === 0) times.push(Number(received.shift()));
  }
  assert.is(received.shift(), "done");
  assert.ok((times.at(-1) as number) > resumedAt, "the program wrote everything while the terminal was stalled");
});

test("a stop gives the terminal back, and fg takes it again, with the size that it has then", async () => {
  await using scene = await openScene();
  const { user, pid } = scene;
  const { terminal } = user;
  sendSignal(pid, "SIGTSTP");
  await terminal.waitFor(/Stopped/);
  await user.prompt();
  assert.is(await user.modesNow(), user.modes);
  terminal.resize(100, 40);
  await terminal.write("fg\r");
  await terminal.waitFor(/fg\r\n/);
  await user.ask(
    "echo a'gain'; until [ \"$(stty size)\" = '40 100' ]; do sleep 0.1; done; echo re'sized'",
    /again\r\n[\s\S]*resized\r\n/,
  );
  await user.ask(SLEEP, /asleep\r\n/);
  await terminal.write("\x03"); // in cooked mode, it would end livelab
  await terminal.waitFor(GUEST);
  await terminal.write("exit 7\r");
  await user.prompt();
  assert.is(await user.status(), 7);
  assert.is(await user.modesNow(), user.modes);
});

test("a stop that livelab does not notice leaves it in raw mode after fg", async () => {
  await using scene = await openScene();
  const { user, pid } = scene;
  const { terminal } = user;
  sendSignal(pid, "SIGSTOP");
  await terminal.waitFor(/Stopped/);
  await user.prompt();
  await terminal.write(`stty ${user.modes}\n`);
  await user.prompt();
  await terminal.write("fg\r");
  await terminal.waitFor(/fg\r\n/);
  await user.ask(SLEEP, /asleep\r\n/);
  await terminal.write("\x03");
  await terminal.waitFor(GUEST);
  await terminal.write("exit\r");
  await user.prompt();
  assert.is(await user.modesNow(), user.modes);
});

test("while a command runs, the keys act on livelab: Ctrl-Z stops it, fg continues, Ctrl-C ends it and its machine", async () => {
  await using scene = await openScene('sh -c "echo asleep; sleep 2; echo awake; sleep 1000"');
  const { user, homeRoot } = scene;
  const { terminal } = user;
  await terminal.waitFor(/asleep\r\n/);
  await terminal.write("\x1a");
  await terminal.waitFor(/Stopped/);
  await user.prompt();
  await sleep(2_500);
  await user.ask("fg", /awake\r\n/);
  await terminal.write("\x03");
  await terminal.waitFor(/livelab: interrupted/);
  await user.prompt();
  assert.is(await user.status(), 130);
  assert.equal(await readdir(join(homeRoot, "machines")), []);
});

test("a machine that dies is reported, with the terminal's modes restored", async () => {
  await using scene = await openScene();
  const { user } = scene;
  await user.ask("pkill -KILL sshd", /lost the connection/);
  await user.prompt();
  assert.is(await user.modesNow(), user.modes);
});

test("SIGTERM ends livelab and its machine, with the terminal's modes restored", async () => {
  await using scene = await openScene();
  const { user, homeRoot, pid } = scene;
  sendSignal(pid, "SIGTERM");
  await user.prompt();
  assert.is(await user.status(), 130);
  assert.is(await user.modesNow(), user.modes);
  assert.equal(await readdir(join(homeRoot, "machines")), []);
});

test("a closed window ends livelab and its machine, although the kernel and the shell both send SIGHUP", async () => {
  await using scene = await openScene();
  const { user, homeRoot, pid } = scene;
  const { terminal } = user;
  await terminal.hangUp();
  while (sendSignal(pid, "SIGHUP")) await sleep(20);
  assert.equal(await readdir(join(homeRoot, "machines")), []);
});

test("output of a full-screen program arrives unchanged", async () => {
  await using scene = await openScene();
  await scene.user.ask("stty -onlcr; printf 'a\\nb\\nc'; stty sane", /a\nb\nc/);
});

suiteOfTerminals.run();

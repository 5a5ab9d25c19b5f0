import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LivelabError } from "../../base/livelab-error.js";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { type Noise, NoisyLine } from "../../fixtures/noisy-line.js";
import { Terminal, terminalLack } from "../../fixtures/terminal.js";
import { testUnless } from "../../test/runner/skip-test.js";
import type { ByteLine } from "../../vm/serial/byte-line.js";
import { Console } from "./console.js";
import { SerialShell } from "./serial-shell.js";

const suiteOfTerminals = suite("SerialShell");
const test = (title: string, body: () => Promise<void>): void =>
  testUnless(suiteOfTerminals, title, terminalLack, body);
const fixtureLogin = join(findProjectRoot(), "fixtures/console-login.sh");
const lateShell = join(findProjectRoot(), "fixtures/late-shell.sh");
const bash = "env PS1='root@cn7:~# ' bash --norc -i";

/** Runs a command line as a guest on a serial console. */
const startGuest = (command: string): Promise<Terminal> => Terminal.start("sh", ["-c", command]);

/** Logs in to a real shell on a real terminal. quietKernel is off, since it would change the host's kernel. */
const login = (console: Console, signal: AbortSignal, password?: string): Promise<SerialShell> =>
  SerialShell.login(console, {
    user: "root",
    ...(password === undefined ? {} : { password }),
    timeoutMs: 15_000,
    signal,
    quietKernel: false,
  });

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "none",
    (error: unknown) => (error instanceof LivelabError ? error.code : (error as Error).name),
  );

test("SerialShell runs commands in a shell that needs no login", async () => {
  const signal = AbortSignal.timeout(10_000);
  await using console = new Console(await startGuest("env PS1='# ' sh"));
  await using shell = await login(console, signal);
  const result = await shell.run("echo out; echo err >&2; exit 7", { timeoutMs: 5_000, signal });
  assert.is(result.status, 7);
  assert.is(result.stdout, "out\n");
  assert.is(result.stderr, "err\n");
});

test("login() logs in with name and password, and gets past bash's line editor", async () => {
  const signal = AbortSignal.timeout(10_000);
  await using console = new Console(await startGuest(`${fixtureLogin} secret ${bash}`));
  await using shell = await login(console, signal, "secret");
  assert.is((await shell.run("echo $((40 + 2))", { timeoutMs: 5_000, signal })).stdout, "42\n");
});

test("login() reports a refused password, with a hint at root_shadow", async () => {
  const signal = AbortSignal.timeout(10_000);
  await using console = new Console(await startGuest(`${fixtureLogin} secret ${bash}`));
  const error: LivelabError = await login(console, signal, "wrong").then(
    () => assert.unreachable("a wrong password was accepted"),
    (error) => error,
  );
  assert.is(error.code, "LOGIN_REFUSED");
  assert.match(error.hint ?? "", /root_shadow/);
});

test("login() gets past a lost password prompt and, after it, a password with a lost character", async () => {
  const signal = AbortSignal.timeout(20_000);
  const line = await startGuest(`${fixtureLogin} secret ${bash}`);
  const lost = { prompts: 0, characters: 0 };
  const lossy: ByteLine = {
    closed: line.closed,
    onData: (listener) =>
      line.onData((chunk) => {
        const isLost = chunk.toString().includes("Password: ") && lost.prompts === 0;
        if (isLost) lost.prompts += 1;
        else listener(chunk);
      }),
    write: async (data) => {
      const isLost = data === "secret\n" && lost.characters === 0;
      if (isLost) lost.characters += 1;
      await line.write(isLost ? "secre\n" : data);
    },
    [Symbol.asyncDispose]: () => line[Symbol.asyncDispose](),
  };
  await using console = new Console(lossy);
  await using shell = await login(console, signal, "secret");
  assert.is((await shell.run("echo here", { timeoutMs: 5_000, signal })).stdout, "here\n");
  assert.equal(lost, { prompts: 1, characters: 1 });
});

test("login() waits for a shell that starts late, after a motd that pauses at a text like a prompt", async () => {
  const signal = AbortSignal.timeout(20_000);
  const logInLate = async (seed: number): Promise<string> => {
    // Up to a second later than the first timeout for an answer.
    const [pause, late] = [((seed * 37) % 100) / 100, 3 + ((seed * 61) % 100) / 100];
    const line = await startGuest(`${fixtureLogin} secret ${lateShell} ${pause} ${late} ${bash}`);
    await using console = new Console(line);
    await using shell = await login(console, signal, "secret");
    return (await shell.run("echo here", { timeoutMs: 5_000, signal })).stdout;
  };
  assert.equal(await Promise.all([1, 2, 3, 4, 5, 6].map(logInLate)), Array(6).fill("here\n"));
});

test("login() logs in again if the shell ends before it runs a command", async () => {
  const signal = AbortSignal.timeout(15_000);
  // The first session runs one line and ends. The second is a shell.
  const once = `mkdir "$HOME/once" 2>/dev/null || exec ${bash.replaceAll("'", '"')}; printf "# "; read -r line; eval "$line" </dev/null`;
  await using console = new Console(await startGuest(`${fixtureLogin} secret sh -c '${once}'`));
  await using shell = await login(console, signal, "secret");
  assert.is((await shell.run("echo second", { timeoutMs: 5_000, signal })).stdout, "second\n");
  assert.is(console.tail(100).filter((text) => text.startsWith("Last login: ")).length, 2);
});

test("login() types the receiver again if the line that joins its pieces loses characters", async () => {
  const signal = AbortSignal.timeout(15_000);
  const line = await startGuest("sh");
  const write = line.write.bind(line);
  let lost = 0;
  line.write = (data) => {
    const text = String(data);
    if (lost > 0 || !text.includes("$r2$r3")) return write(data);
    lost += 1;
    return write(text.replace("$r3", ""));
  };
  await using console = new Console(line);
  await using shell = await login(console, signal);
  assert.is((await shell.run("echo whole", { timeoutMs: 5_000, signal })).stdout, "whole\n");
  assert.is(lost, 1);
});

test("run() returns half a megabyte of arbitrary bytes unchanged", async () => {
  const signal = AbortSignal.timeout(20_000);
  await using console = new Console(await startGuest("sh"));
  await using shell = await login(console, signal);
  const script = `awk 'BEGIN { for (i = 0; i < 60000; i++) printf "%c%d\\n", i % 256, i }'`;
  const { stdout: printed } = await runProgram("sh", ["-c", script], { limitMs: 5_000 });
  assert.ok(printed.length > 400_000, `${printed.length} characters`);
  const { stdout, stderr } = await shell.run(`${script} >&2; ${script}`, { timeoutMs: 15_000, signal });
  assert.is(stdout, printed);
  assert.is(stderr, printed);
});

test("run() runs a command that is longer than a terminal's line", async () => {
  const signal = AbortSignal.timeout(10_000);
  await using console = new Console(await startGuest("sh"));
  await using shell = await login(console, signal);
  const text = "0123456789".repeat(1_000);
  assert.is((await shell.run(`printf %s '${text}'`, { timeoutMs: 5_000, signal })).stdout, text);
});

test("run() kills an endless command that ignores signals, and the shell stays usable", async () => {
  const signal = AbortSignal.timeout(15_000);
  await using console = new Console(await startGuest("sh"));
  await using shell = await login(console, signal);
  const endless = "trap '' INT TERM HUP QUIT; echo begun; while :; do sleep 1; done";
  const error: LivelabError = await shell.run(endless, { timeoutMs: 500, signal }).then(
    () => assert.unreachable("an endless command ended"),
    (error) => error,
  );
  assert.is(error.code, "COMMAND_TIMED_OUT");
  assert.match(error.message, /last: "begun"/);
  assert.is((await shell.run("echo still here", { timeoutMs: 5_000, signal })).stdout, "still here\n");
});

test("the shell stays usable after the caller aborts a command", async () => {
  const signal = AbortSignal.timeout(15_000);
  await using console = new Console(await startGuest("sh"));
  await using shell = await login(console, signal);
  assert.is(
    await codeOf(shell.run("sleep 60", { timeoutMs: 60_000, signal: AbortSignal.timeout(300) })),
    "TimeoutError",
  );
  assert.is((await shell.run("echo free", { timeoutMs: 5_000, signal })).stdout, "free\n");
});

test("a command whose background process keeps writing ends with the output so far, and the next command has only its own", async () => {
  const signal = AbortSignal.timeout(30_000);
  await using console = new Console(await startGuest("sh"));
  await using shell = await login(console, signal);
  const endless = "while :; do echo background; echo background >&2; sleep 0.01; done &";
  const first = await shell.run(`${endless} echo $! >"$TMPDIR/pid"; sleep 0.2; exit 3`, { timeoutMs: 15_000, signal });
  assert.is(first.status, 3);
  assert.match(first.stdout, /^(background\n)+(b[a-z]*)?$/);
  assert.match(first.stderr, /^(background\n)+(b[a-z]*)?$/);
  const second = await shell.run("echo own; echo error >&2; sleep 0.2", { timeoutMs: 15_000, signal });
  assert.equal(second, { status: 0, stdout: "own\n", stderr: "error\n" });
  const third = await shell.run('kill -KILL "$(cat "$TMPDIR/pid")"', { timeoutMs: 15_000, signal });
  assert.equal(third, { status: 0, stdout: "", stderr: "" });
});

test("run() does not wait for a command's background process, and leaves it running", async () => {
  const signal = AbortSignal.timeout(15_000);
  await using console = new Console(await startGuest("sh"));
  await using shell = await login(console, signal);
  const { stdout, status } = await shell.run("sleep 1000 & echo $!", { timeoutMs: 5_000, signal });
  assert.is(status, 0);
  const later = await shell.run(`kill -0 ${stdout.trim()} && kill -KILL ${stdout.trim()}`, {
    timeoutMs: 5_000,
    signal,
  });
  assert.equal(later, { status: 0, stdout: "", stderr: "" });
});

test("a background process that truncates its output does not falsify any answer", async () => {
  const signal = AbortSignal.timeout(15_000);
  await using console = new Console(await startGuest("sh"));
  await using shell = await login(console, signal);
  const emptying = "(sleep 0.3; : >/proc/self/fd/1; echo late) &";
  assert.is((await shell.run(`${emptying} echo early`, { timeoutMs: 5_000, signal })).stdout, "early\n");
  assert.is((await shell.run("sleep 0.6; echo own", { timeoutMs: 5_000, signal })).stdout, "own\n");
});

test("run() rejects output of more than 4 MiB, even 50 MB", async () => {
  const signal = AbortSignal.timeout(20_000);
  await using console = new Console(await startGuest("sh"));
  await using shell = await login(console, signal);
  const error: LivelabError = await shell.run("head -c 50000000 /dev/zero", { timeoutMs: 15_000, signal }).then(
    () => assert.unreachable("50 MB came over the line"),
    (error) => error,
  );
  assert.is(error.code, "OUTPUT_TOO_LARGE");
  assert.match(error.message, "more than 4.0 MiB");
  assert.is((await shell.run("echo still here", { timeoutMs: 5_000, signal })).stdout, "still here\n");
});

test("run() rejects a second command while one is running", async () => {
  const signal = AbortSignal.timeout(10_000);
  await using console = new Console(await startGuest("sh"));
  await using shell = await login(console, signal);
  const first = shell.run("sleep 0.2; echo first", { timeoutMs: 5_000, signal });
  assert.is(await codeOf(shell.run("echo second", { timeoutMs: 5_000, signal })), "MISUSE");
  assert.is((await first).stdout, "first\n");
});

test("run() fails at once if the guest goes away during a command", async () => {
  const signal = AbortSignal.timeout(10_000);
  await using console = new Console(await startGuest("sh"));
  await using shell = await login(console, signal);
  const startedAt = performance.now();
  assert.is(await codeOf(shell.run("kill -KILL $PPID", { timeoutMs: 9_000, signal })), "CONSOLE_ENDED");
  assert.ok(performance.now() - startedAt < 2_000);
});

const kernelLinesOnly: Noise = { lostToGuest: 0, lostFromGuest: 0, kernelLines: 1 / 150, seed: 7 };
const losses: Noise = { lostToGuest: 1 / 2_000, lostFromGuest: 1 / 2_000, kernelLines: 1 / 1_000, seed: 11 };

for (const [title, noise] of [
  ["the kernel writes into every other line", kernelLinesOnly],
  ["characters get lost in both directions", losses],
] as const) {
  test(`run() transfers a command and its output intact while ${title}`, async () => {
    const signal = AbortSignal.timeout(40_000);
    const line = new NoisyLine(await startGuest(`${fixtureLogin} secret ${bash}`), noise);
    await using console = new Console(line);
    await using shell = await SerialShell.login(console, {
      user: "root",
      password: "secret",
      timeoutMs: 30_000,
      signal,
      quietKernel: false,
    });
    const expected = Array.from({ length: 8_000 }, (_, index) => `line ${index + 1}\n`).join("");
    const result = await shell.run("seq 8000 | sed 's/^/line /'; exit 3", { timeoutMs: 10_000, signal });
    assert.is(result.status, 3);
    assert.ok(result.stdout === expected, "the output was changed in transit");
    assert.ok(line.count.lost + line.count.kernelLines > 20, JSON.stringify(line.count));
  });
}

suiteOfTerminals.run();

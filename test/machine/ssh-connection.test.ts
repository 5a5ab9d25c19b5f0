/** SSH to a real sshd, from the sandbox's base: heavy load, and commands while sshd dies or hangs. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { Duplex, PassThrough, Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DisposableStack } from "../../base/disposable-stack.js";
import { generateSshKeyPair, SshConnection, type SshError } from "../../builder/channel/ssh-connection.js";
import { SSHD_CONFIG } from "../../builder/channel/sshd-config.js";
import { sandboxLack } from "../../fixtures/sandbox-lack.js";
import { openToyRelease, TOY_STAMP } from "../../fixtures/toy-stage.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { testUnless } from "../runner/skip-test.js";

const suiteOfSsh = suite("SSH to a real sshd");
const test = (title: string, body: () => Promise<void>): void => testUnless(suiteOfSsh, title, sandboxLack, body);
const BYTES = 100 * 2 ** 20;

async function startSandbox() {
  const owned = new DisposableStack();
  const { context } = owned.use(await openToyRelease("ssh"));
  const { ssh } = owned.use(await context.machines.show({ stamp: TOY_STAMP, stages: [] }));
  return { ssh, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

/** Connects to an sshd in the sandbox whose stream stays open after sshd has died, and then carries other text. */
async function connectWithin(sandbox: SshConnection, keepaliveMs?: number): Promise<SshConnection> {
  const host = generateSshKeyPair();
  const client = generateSshKeyPair();
  const config = SSHD_CONFIG.replaceAll("/run/livelab/", "/run/inner/").replace(
    /PermitListen.*/,
    "PermitListen 127.0.0.1:3201 127.0.0.1:3202",
  );
  await sandbox.exec("mkdir -p /run/inner && umask 077 && cat >/run/inner/host_key", { stdin: host.privateKey });
  await sandbox.exec("cat >/run/inner/authorized_keys", { stdin: `${client.publicKey}\n` });
  await sandbox.exec("cat >/run/inner/sshd_config", { stdin: config });
  const readable = new PassThrough();
  const writable = new PassThrough();
  sandbox
    .exec("echo $$ >/run/inner/shell; /usr/sbin/sshd -i -f /run/inner/sshd_config; echo livelab ready; sleep 60", {
      stdin: writable,
      stdout: readable,
    })
    .catch(() => undefined);
  return await SshConnection.connect(Duplex.from({ readable, writable }), {
    username: "root",
    privateKey: client.privateKey,
    hostKey: host.publicKey,
    ...(keepaliveMs === undefined ? {} : { keepaliveMs }),
  });
}

/** Sends a signal to the sshd of connectWithin(), not to its shell. */
const signalInner = (sandbox: SshConnection, signal: string) =>
  sandbox.exec(`pkill -${signal} -P "$(cat /run/inner/shell)" sshd`);

function* blocks(bytes: number): Generator<Buffer> {
  const block = Buffer.alloc(64 * 1024, "livelab");
  for (let left = bytes; left > 0; left -= block.length) yield block.subarray(0, left);
}

function digest(bytes: number): string {
  const hash = createHash("sha256");
  for (const block of blocks(bytes)) hash.update(block);
  return hash.digest("hex");
}

test(
  "100 MB pass through a command in both directions, and livelab buffers little of them",
  within(60_000, async () => {
    await using sandbox = await startSandbox();
    const before = process.memoryUsage().rss;
    const sent = await sandbox.ssh.exec("tee /tmp/big | sha256sum", { stdin: Readable.from(blocks(BYTES)) });
    assert.is(sent.stdout.toString().split(" ")[0], digest(BYTES));
    const hash = createHash("sha256");
    await sandbox.ssh.exec("cat /tmp/big", { stdout: hash });
    assert.is(hash.end().digest("hex"), digest(BYTES));
    assert.ok(process.memoryUsage().rss - before < BYTES, "less than what went through is kept");
  }),
);

test(
  "livelab reads no more from a command than its reader takes, and no more input than the command takes",
  within(30_000, async () => {
    await using sandbox = await startSandbox();
    let read = 0;
    const stdin = Readable.from(
      (function* () {
        for (const block of blocks(BYTES)) {
          read += block.length;
          yield block;
        }
      })(),
    );
    const stuck = new Writable({ write: () => {} });
    const controller = new AbortController();
    const { signal } = controller;
    const commands = [
      sandbox.ssh.exec("sleep 60", { stdin, signal }),
      sandbox.ssh.exec("i=0; while :; do head -c 65536 /dev/zero; i=$((i + 1)); echo $i >/tmp/written; done", {
        stdout: stuck,
        signal,
      }),
    ].map(thrownBy);
    const reason = new Error("seen enough");
    let blocksWritten = -1;
    // Both stop once every buffer on the way is full.
    for (let last = -2; last !== blocksWritten; ) {
      last = blocksWritten;
      await sandbox.ssh.exec("sleep 1");
      blocksWritten = Number((await sandbox.ssh.exec("cat /tmp/written")).stdout);
    }
    assert.ok(read < 8 * 2 ** 20, `${read} bytes of the input were read`);
    assert.ok(blocksWritten * 65536 < 8 * 2 ** 20, `${blocksWritten} blocks were written`);
    controller.abort(reason);
    assert.equal(await Promise.all(commands), [reason, reason]);
  }),
);

test(
  "50 commands at once each get their own input, output and status",
  within(60_000, async () => {
    await using sandbox = await startSandbox();
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        sandbox.ssh.exec(`sha256sum; echo ${index} >&2; exit ${index}`, {
          stdin: Readable.from(blocks((index + 1) * 100_000)),
        }),
      ),
    );
    for (const [index, { status, stdout, stderr }] of results.entries()) {
      assert.is(status, index);
      assert.is(stderr, `${index}\n`);
      assert.is(stdout.toString(), `${digest((index + 1) * 100_000)}  -\n`);
    }
  }),
);

test(
  "commands end at once when sshd dies and other text follows on its stream, which stays open",
  within(20_000, async () => {
    await using sandbox = await startSandbox();
    await using inner = await connectWithin(sandbox.ssh);
    assert.is((await inner.exec("echo here")).stdout.toString(), "here\n");
    const running = thrownBy(inner.exec("sleep 60"));
    await inner.exec("true");
    assert.is((await signalInner(sandbox.ssh, "KILL")).status, 0);
    assert.is(((await running) as SshError).code, "CONNECTION_LOST");
    assert.instance(await inner.closed, Error);
    assert.is(((await thrownBy(inner.exec("true"))) as SshError).code, "CONNECTION_LOST");
  }),
);

test(
  "commands end when sshd is silent for longer than the limit",
  within(20_000, async () => {
    await using sandbox = await startSandbox();
    await using inner = await connectWithin(sandbox.ssh, 100);
    // A command without output does not count as silence: sshd itself answers.
    assert.is((await inner.exec("sleep 3")).status, 0);
    const running = thrownBy(inner.exec("sleep 60"));
    assert.is((await signalInner(sandbox.ssh, "STOP")).status, 0);
    assert.is(((await running) as SshError).code, "CONNECTION_LOST");
    assert.match(String(await inner.closed), "the far end sent nothing in 2400 ms");
  }),
);

test(
  "a command whose input or output fails is ended with that error",
  within(20_000, async () => {
    await using sandbox = await startSandbox();
    const broken = new Error("the disk is full");
    const stdout = new Writable({ write: (_chunk, _encoding, done) => done(broken) });
    assert.is(await thrownBy(sandbox.ssh.exec("yes", { stdout })), broken);
    const stdin = new Readable({
      read() {
        this.push("half");
        this.destroy(broken);
      },
    });
    assert.is(await thrownBy(sandbox.ssh.exec("cat; sleep 60", { stdin })), broken);
    assert.is(
      (await sandbox.ssh.exec("head -c 5", { stdin: Readable.from(blocks(BYTES)) })).stdout.toString(),
      "livel",
    );
  }),
);

test(
  "an input or output that cannot be opened fails its command only, and the connection stays usable",
  within(20_000, async () => {
    await using sandbox = await startSandbox();
    const { ssh } = sandbox;
    const missing = (work: Promise<unknown>): Promise<string | undefined> =>
      thrownBy(work).then((error) => (error as NodeJS.ErrnoException).code);
    assert.is(await missing(ssh.exec("cat", { stdin: createReadStream("/missing/file") })), "ENOENT");
    assert.is(await missing(ssh.exec("yes", { stdout: createWriteStream("/missing/file") })), "ENOENT");
    const failedBefore = createWriteStream("/missing/file");
    await thrownBy(finished(failedBefore));
    assert.is(await missing(ssh.exec("sleep 60", { stdout: failedBefore })), "ENOENT");
    assert.is((await ssh.exec("echo here")).stdout.toString(), "here\n");
  }),
);

test(
  "a forwarded connection goes once to the owner of its port, and after a new owner to that one",
  within(20_000, async () => {
    await using sandbox = await startSandbox();
    await using inner = await connectWithin(sandbox.ssh);
    const accepted: string[] = [];
    const forward = (port: number, name: string): Promise<void> =>
      inner.forwardFrom(port, (stream) => {
        accepted.push(name);
        stream.end(`${name}\n`);
      });
    const ask = async (port: number): Promise<string> =>
      (await sandbox.ssh.exec(`bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port} && cat <&3'`)).stdout.toString();
    await forward(3201, "first");
    await forward(3202, "second");
    assert.equal([await ask(3201), await ask(3202), await ask(3201)], ["first\n", "second\n", "first\n"]);
    await forward(3201, "later");
    assert.equal([await ask(3201), await ask(3202)], ["later\n", "second\n"]);
    assert.equal(accepted, ["first", "second", "first", "later", "second"]);
    assert.is(((await thrownBy(forward(1, "refused"))) as SshError).code, "FORWARD_REFUSED");
    assert.is(((await thrownBy(forward(1, "refused again"))) as SshError).code, "FORWARD_REFUSED");
  }),
);

/** A caller's terminal of unknown size. */
function fakeTerminal() {
  const [stdin, stdout] = [new PassThrough(), Object.assign(new PassThrough(), { columns: 0, rows: 0 })];
  const terminal = {
    stdin: stdin as unknown as NodeJS.ReadStream,
    stdout: stdout as unknown as NodeJS.WriteStream,
    term: "xterm",
  };
  return { stdin, stdout, terminal };
}

test(
  "a terminal without a size gets a default size",
  within(20_000, async () => {
    await using sandbox = await startSandbox();
    const { stdout, terminal } = fakeTerminal();
    const { signal } = new AbortController();
    assert.is(await sandbox.ssh.terminal("stty size", { ...terminal, signal }), 0);
    assert.is(String(stdout.read()).trim(), "24 80");
  }),
);

test(
  "a closed terminal and an abort end its command",
  within(20_000, async () => {
    await using sandbox = await startSandbox();
    const closed = fakeTerminal();
    Object.assign(closed.stdin, { isTTY: true, setRawMode: () => undefined });
    closed.stdout.once("data", () => closed.stdin.end());
    const { signal } = new AbortController();
    assert.is(await sandbox.ssh.terminal("echo begun; sleep 1000", { ...closed.terminal, signal }), 129);
    const aborted = fakeTerminal();
    const controller = new AbortController();
    aborted.stdout.once("data", () => controller.abort(new Error("interrupted")));
    const running = sandbox.ssh.terminal("echo begun; sleep 1001", { ...aborted.terminal, signal: controller.signal });
    assert.is(((await thrownBy(running)) as Error).message, "interrupted");
    assert.is((await sandbox.ssh.exec("sleep 0.5; pgrep -f '^sleep 100'")).stdout.toString(), "");
  }),
);

suiteOfSsh.run();

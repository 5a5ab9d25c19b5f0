/** Two livelabs that share a LIVELAB_HOME from different PID namespaces, as containers do. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, stat } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { elsewhereArgv, importLine, namespaceRefusal, startProgram } from "../../fixtures/other-process.js";
import { sandboxLack } from "../../fixtures/sandbox-lack.js";
import { linkHome, readySharedHome } from "../../fixtures/toy-stage.js";
import { needsRoot, testUnless } from "../runner/skip-test.js";

const test = suite("a shared home");
const dist = join(findProjectRoot(), "dist");
const PATIENCE_MS = 60_000;

/** Starts a program of dist/. @param elsewhere whether in other PID and mount namespaces */
function start(argv: readonly string[], env: Readonly<Record<string, string>>, elsewhere: boolean) {
  const node = [process.execPath, join(dist, argv[0] as string), ...argv.slice(1)];
  const [command = "", ...args] = elsewhere ? elsewhereArgv(node) : node;
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const ended = once(child, "close").then(([status]) => ({ status: status as number | null, output }));
  return {
    ended,
    output: () => output,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL"); // unshare kills its child, too
      await ended;
    },
  };
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const started = performance.now(); performance.now() - started < PATIENCE_MS; await sleep(50)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error(`not within ${PATIENCE_MS} ms: ${what}`);
}

/** A mirror that sends a byte now and then for every request, and never ends. */
async function slowMirror(): Promise<{ url: string } & AsyncDisposable> {
  const server = http.createServer((_request, response) => {
    response.writeHead(200, { "Content-Length": 1e9 });
    const timer = setInterval(() => response.write("x"), 50);
    response.on("close", () => clearInterval(timer));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Sizes of the unfinished downloads, by file. */
async function downloads(home: string): Promise<Map<string, number>> {
  const folder = join(home, "store/tmp");
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".part"));
  return new Map(await Promise.all(names.map(async (name) => [name, (await stat(join(folder, name))).size] as const)));
}

const refused = await namespaceRefusal();
const cases: [title: string, lack: string | undefined, body: () => Promise<void>][] = [
  [
    "a build leaves the machines and layers of a build in another namespace, and removes them after that one was killed",
    refused ?? needsRoot("to start a sandbox in a namespace of its own") ?? sandboxLack,
    async () => {
      await readySharedHome("sandbox");
      await using dir = await TempDir.create("shared-home");
      const home = await linkHome(dir.path);
      const made = async (): Promise<string[]> =>
        (await Promise.all(["machines", "layers"].map((folder) => readdir(join(home, folder)))))
          .flat()
          .filter((name) => name.includes(".livelab-"))
          .sort();
      const build = (): ReturnType<typeof start> =>
        start(
          ["cli/main.js", "build", "preflight_check", "--machine", "sandbox", "-o", join(dir.path, "out")],
          { LIVELAB_HOME: home },
          false,
        );
      {
        await using other = start(["fixtures/sandbox-owner.js", home], {}, true);
        await until("the other's stage runs", async () => (other.output().includes("asleep") ? true : undefined));
        const before = await made();
        assert.is(before.length, 3, `mark, machine and layer: ${before}`);
        await using mine = build();
        assert.is((await mine.ended).status, 0, mine.output());
        assert.equal(await made(), before);
        assert.ok(other.isRunning(), other.output());
      }
      await using next = build();
      assert.is((await next.ended).status, 0, next.output());
      assert.equal(await made(), []);
    },
  ],
  [
    "gc is refused while inputs are fetched in another namespace, and the downloads continue",
    refused,
    async () => {
      await using dir = await TempDir.create("shared-home");
      await using mirror = await slowMirror();
      const env = {
        LIVELAB_HOME: dir.path,
        LIVELAB_MIRROR: `${mirror.url}/debian`,
        npm_config_registry: `${mirror.url}/`,
      };
      await using other = start(["cli/main.js", "inputs", "fetch"], env, true);
      const before = await until("downloads have begun", async () => {
        const found = await downloads(dir.path);
        return found.size >= 8 && ![...found.values()].includes(0) ? found : undefined;
      });
      await using gc = start(["cli/main.js", "gc", "--keep", "0"], env, false);
      const { status, output } = await gc.ended;
      assert.is(status, 3, output);
      assert.match(output, /is in use by another livelab in another container \(host name .*, pid 1 there\)/);
      assert.not.match(output, "kill");
      await until("each download has got further", async () => {
        const now = await downloads(dir.path);
        return [...before].every(([name, bytes]) => (now.get(name) ?? 0) > bytes) ? true : undefined;
      });
      assert.ok(other.isRunning(), other.output());
    },
  ],
  [
    "gc is refused while gc runs in another namespace, and runs after that one was killed",
    refused,
    async () => {
      await using dir = await TempDir.create("shared-home");
      await mkdir(join(dir.path, "store"));
      const program = `${importLine("openHome", "../../builder/home/home.js", import.meta.url)}
        ${importLine("takeAlone", "../../builder/home/home-use.js", import.meta.url)}
        await takeAlone(await openHome(${JSON.stringify(dir.path)}));
        console.log("alone");
        setInterval(() => {}, 1000);`;
      const gc = (): ReturnType<typeof start> => start(["cli/main.js", "gc"], { LIVELAB_HOME: dir.path }, false);
      {
        await using _other = await startProgram(program, true);
        await using mine = gc();
        assert.is((await mine.ended).status, 3);
        assert.match(mine.output(), "in another container");
      }
      await using mine = gc();
      assert.is((await mine.ended).status, 0, mine.output());
    },
  ],
];
for (const [title, lack, body] of cases) testUnless(test, title, lack, body);

test.run();

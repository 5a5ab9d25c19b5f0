import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { type Duplex, duplexPair, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { aptLack, openLocalMachine } from "../../fixtures/local-machine.js";
import { packagesText, smallLock, smallPackages } from "../../fixtures/small-lock.js";
import { within } from "../../fixtures/vm-deadline.js";
import { testUnless } from "../../test/runner/skip-test.js";
import { InputError } from "../builder-error.js";
import { Lock } from "../profile/lock.js";
import { createGateway } from "./gateway.js";
import { Store } from "./store.js";

const test = suite("gateway");

/** Makes a gateway for two packages, both in the store. */
async function scene() {
  const home = await TempDir.create("gateway-test");
  const store = await Store.open(join(home.path, "store"));
  const packages = smallPackages(["jq", "curl"]);
  const lock = smallLock(packages);
  for (const [index, { digest }] of lock.set("image").packages.entries()) {
    const bytes = packages.find(({ name }) => name === lock.set("image").packages[index]?.name)?.bytes;
    await store.add(digest, Readable.from([bytes]), "deb", "a test");
  }
  const gateway = createGateway(lock, store);
  return {
    home: home.path,
    store,
    packages,
    lock,
    gateway,
    /** Sends one request over its own stream, without socket and port. */
    async ask(path: string, method = "GET") {
      const [near, far] = duplexPair();
      gateway.accept(far);
      return await answerOn(near, path, method);
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  };
}

async function answerOn(stream: Duplex, path: string, method: string): Promise<{ status: number; body: string }> {
  return await new Promise((resolve, reject) => {
    const request = http.request({ path, method, createConnection: () => stream }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    request.once("error", reject);
    request.end();
  });
}

test(
  "the gateway serves a set as a repository: Packages from the lock, debs from the store",
  within(5_000, async () => {
    await using here = await scene();
    assert.equal(await here.ask("/image/Packages"), { status: 200, body: packagesText(here.packages) });
    assert.match((await here.ask("/image/Release")).body, here.lock.set("image").digest.hex);
    assert.is((await here.ask("/image/pool/main/j/jq/jq_1.0_amd64.deb")).status, 200);
    assert.is((await here.ask("/image/./pool/main/j/jq/jq_1.0_amd64.deb", "HEAD")).status, 200);
    assert.equal(here.gateway.refusals, []);
  }),
);

test(
  "the gateway answers 404 to apt's requests for optional files, and does not count them as refusals",
  within(5_000, async () => {
    await using here = await scene();
    for (const name of ["InRelease", "Release.gpg", "Packages.xz"])
      assert.is((await here.ask(`/image/${name}`)).status, 404, name);
    here.gateway.throwIfRefused();
  }),
);

test(
  "a path that the lock does not name is refused with 403, and fails the build with stage and path",
  within(5_000, async () => {
    await using here = await scene();
    here.gateway.stage = "install_live";
    const answer = await here.ask("/image/pool/main/v/vim/vim_9.0_amd64.deb");
    assert.is(answer.status, 403);
    assert.match(answer.body, "refused in stage install_live");
    const [refusal] = here.gateway.refusals;
    assert.is(refusal?.reason, "not-locked");
    assert.is(refusal?.method, "GET");
    assert.ok(Math.abs((refusal?.time.getTime() ?? 0) - Date.now()) < 5_000);
    try {
      here.gateway.throwIfRefused();
    } catch (error) {
      assert.instance(error, InputError);
      const { code, message, hint } = error as InputError;
      assert.is(code, "REFUSED");
      assert.match(message, "install_live: GET /image/pool/main/v/vim/vim_9.0_amd64.deb (not-locked)");
      assert.match(hint ?? "", "livelab lock update");
      return;
    }
    assert.unreachable();
  }),
);

test(
  "the gateway refuses paths outside its root, malformed escapes and methods other than GET and HEAD",
  within(5_000, async () => {
    await using here = await scene();
    for (const path of ["/../etc/passwd", "/image/%2e%2e/%2e%2e/etc/passwd", "/%zz", "//etc/passwd", "/"])
      assert.is((await here.ask(path)).status, 403, path);
    assert.is((await here.ask("/image/Packages", "POST")).status, 403);
    assert.is((await here.ask("/image/Packages", "DELETE")).status, 403);
    assert.is(here.gateway.refusals.length, 7);
  }),
);

test(
  "a locked file that the store lacks is refused with another reason than one that is not locked",
  within(5_000, async () => {
    await using here = await scene();
    const [deb] = here.lock.set("image").packages;
    if (deb === undefined) throw new Error("no package");
    await rm(here.store.pathOf(deb.digest));
    assert.is((await here.ask(`/image/${deb.filename}`)).status, 403);
    assert.is(here.gateway.refusals[0]?.reason, "not-in-store");
  }),
);

test(
  "the gateway serves npm tarballs and registered paths",
  within(5_000, async () => {
    await using here = await scene();
    const [deb] = here.lock.set("image").packages;
    if (deb === undefined) throw new Error("no package");
    const npm = {
      kind: "npm",
      name: "@s/json",
      version: "11.0.0",
      path: "node_modules/@s/json",
      digest: deb.digest,
    } as const;
    await using gateway = createGateway(new Lock(here.lock.profile, [], [npm]), here.store);
    const file = join(here.home, "modules.deb");
    await writeFile(file, "kernel modules");
    gateway.serveFile("/artifacts/modules.deb", file);
    const [near, far] = duplexPair();
    gateway.accept(far);
    assert.is((await answerOn(near, "/npm/@s/json/11.0.0.tgz", "HEAD")).status, 200);
    const [near2, far2] = duplexPair();
    gateway.accept(far2);
    assert.is((await answerOn(near2, "/artifacts/modules.deb", "GET")).body, "kernel modules");
  }),
);

test(
  "the gateway keeps working when a machine disconnects during an answer",
  within(5_000, async () => {
    await using here = await scene();
    const [near, far] = duplexPair();
    here.gateway.accept(far);
    near.write("GET /image/Packages HTTP/1.1\r\nHost: x\r\n\r\nGET /ima");
    near.once("data", () => near.destroy());
    await new Promise((resolve) => near.once("close", resolve));
    assert.is((await here.ask("/image/Packages")).status, 200);
  }),
);

test(
  "the gateway's disposal ends open connections",
  within(5_000, async () => {
    await using here = await scene();
    const [near, far] = duplexPair();
    here.gateway.accept(far);
    const closed = new Promise((resolve) => far.once("close", resolve));
    near.write("GET /image/Pack");
    await here.gateway[Symbol.asyncDispose]();
    await closed;
  }),
);

const aptTest = (title: string, body: () => Promise<void>): void => testUnless(test, title, aptLack, body);

aptTest(
  "real apt updates and downloads from the gateway, and does not find packages that are not locked",
  within(15_000, async () => {
    await using here = await scene();
    await using machine = await openLocalMachine(here.gateway);
    const apt = join(here.home, "apt");
    await mkdir(join(apt, "lists/partial"), { recursive: true });
    await mkdir(join(apt, "archives/partial"), { recursive: true });
    await writeFile(join(apt, "sources.list"), `deb [trusted=yes] ${machine.gatewayUrl}/image/ ./\n`);
    await writeFile(join(apt, "status"), "");
    await writeFile(
      join(apt, "apt.conf"),
      `Dir "${apt}"; Dir::State "${apt}"; Dir::State::Status "${apt}/status"; Dir::State::Lists "${apt}/lists";
       Dir::Cache "${apt}"; Dir::Etc "${apt}"; Dir::Etc::SourceParts "/dev/null"; APT::Architecture "amd64";
       Dir::Bin::Methods "/usr/lib/apt/methods"; APT::Sandbox::User "root"; Acquire::Languages "none";`,
    );
    const env = { ...process.env, APT_CONFIG: join(apt, "apt.conf"), LC_ALL: "C" };
    const run = (...args: string[]) => runProgram("apt-get", args, { cwd: here.home, env });
    await run("update", "--error-on=any");
    await run("download", "jq", "curl");
    const debs = (await readdir(here.home)).filter((name) => name.endsWith(".deb")).sort();
    assert.equal(debs, ["curl_1.0_amd64.deb", "jq_1.0_amd64.deb"]);
    const jq = here.packages.find(({ name }) => name === "jq")?.bytes;
    assert.equal(await readFile(join(here.home, "jq_1.0_amd64.deb")), jq);
    here.gateway.throwIfRefused();

    const failure = await run("download", "vim").then(
      () => "",
      (error: { stderr: string }) => error.stderr,
    );
    assert.match(failure, "Unable to locate package vim");
  }),
);

test(
  "an altered file of the store is reported with the stage and removed, so that it is fetched again",
  within(5_000, async () => {
    await using here = await scene();
    const [deb] = here.lock.set("image").packages;
    assert.ok(deb);
    const path = here.store.pathOf(deb.digest);
    const bytes = await readFile(path);
    bytes[10] = (bytes[10] ?? 0) ^ 1;
    await chmod(path, 0o600);
    await writeFile(path, bytes);
    here.gateway.stage = "install_live";
    await here.ask(`/image/${deb.filename}`);
    assert.throws(
      () => here.gateway.throwIfRefused(),
      ({ message, hint }: InputError) =>
        /stage install_live/.test(message) &&
        message.includes(deb.filename) &&
        /altered/.test(message) &&
        /inputs fetch/.test(hint ?? ""),
    );
    assert.not(await here.store.has(deb.digest));
  }),
);

test.run();

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { aptLack } from "../../fixtures/local-machine.js";
import { testUnless } from "../../test/runner/skip-test.js";
import { loadProfile } from "../profile/profiles.js";
import { aptProxyFor, parseAptOptions } from "./apt-proxies.js";
import { findMirrors, proxyWith } from "./mirrors.js";
import { proxyFor } from "./proxy-settings.js";

const test = suite("proxies of apt");
const aptTest = (title: string, body: () => Promise<void>): void => testUnless(test, title, aptLack, body);

const neverAsked = (): Promise<string> => Promise.reject(new Error("no detector is configured"));

async function proxiesOf(
  addresses: readonly string[],
  dump: string,
  detect = neverAsked,
): Promise<(string | undefined)[]> {
  return Promise.all(addresses.map((address) => aptProxyFor(address, parseAptOptions(dump), detect)));
}

test("a scheme's proxy is used for all hosts except those with their own proxy or with DIRECT", async () => {
  const dump = [
    "Acquire::http::Proxy http://general.example:3128/",
    "Acquire::HTTP::Proxy::Own.Example socks5h://own.example:1080",
    "Acquire::http::Proxy::direct.example DIRECT",
    "",
  ].join("\n");
  const addresses = ["any", "own", "direct"].map((name) => `http://${name}.example/debian/`);
  assert.equal(await proxiesOf(addresses, dump), [
    "http://general.example:3128/",
    "socks5h://own.example:1080",
    undefined,
  ]);
});

test("https falls back to the options of http", async () => {
  const http = "Acquire::http::Proxy http://plain.example:1\nAcquire::http::Proxy::own.example DIRECT\n";
  const https =
    "Acquire::https::Proxy http://secure.example:2\nAcquire::https::Proxy::own.example http://o.example:3\n";
  const addresses = ["https://any.example/", "https://own.example/"];
  assert.equal(await proxiesOf(addresses, http), ["http://plain.example:1", undefined]);
  assert.equal(await proxiesOf(addresses, http + https), ["http://secure.example:2", "http://o.example:3"]);
  assert.equal(await proxiesOf(["http://any.example/"], https), [undefined]);
});

test("the detector runs for hosts without their own proxy; if it prints no proxy, the general one is used", async () => {
  const dump = [
    "Acquire::http::Proxy http://general.example:1",
    "Acquire::http::Proxy-Auto-Detect /usr/local/bin/detect",
    "Acquire::http::Proxy::own.example http://own.example:2",
  ].join("\n");
  const asked: string[][] = [];
  const answers = ["http://found.example:3\nmore\n", "DIRECT\n", ""];
  const detect = async (...words: string[]): Promise<string> => {
    asked.push(words);
    return answers[asked.length - 1] ?? "";
  };
  const addresses = ["a", "b", "c", "own"].map((name) => `http://${name}.example/`);
  assert.equal(await proxiesOf(addresses, dump, detect), [
    "http://found.example:3",
    undefined,
    "http://general.example:1",
    "http://own.example:2",
  ]);
  assert.equal(
    asked,
    addresses.slice(0, 3).map((address) => ["/usr/local/bin/detect", address]),
  );
});

test("no proxy is used without a proxy option, and with one that switches it off", async () => {
  for (const dump of [
    "",
    "APT::Architecture amd64\n",
    "Acquire::http::Proxy false\n",
    "Acquire::http::Proxy DIRECT\n",
  ]) {
    assert.equal(await proxiesOf(["http://any.example/"], dump), [undefined]);
  }
});

aptTest("requests to a mirror of the host's apt use apt's proxy unless the environment names one", async () => {
  await using dir = await TempDir.create("apt-proxies");
  const detector = join(dir.path, "detect proxy");
  // apt-get is replaced, because real apt does not always list sources that were never updated. apt-config is real.
  for (const [program, says] of [
    [join(dir.path, "apt-get"), "http://apt.invalid/debian/ bookworm"],
    [detector, "http://found.invalid:3142/?$1"],
  ] as const) {
    await writeFile(program, `#!/bin/sh\necho "${says}"\n`, { mode: 0o755 });
  }
  const conf = join(dir.path, "apt.conf");
  await writeFile(conf, `Acquire::http::Proxy-Auto-Detect "${detector}";\n`);
  const before = { ...process.env };
  Object.assign(process.env, { APT_CONFIG: conf, PATH: `${dir.path}:${process.env["PATH"]}` });
  try {
    const mirrors = await findMirrors(loadProfile("bookworm"), "http://other.invalid/debian");
    const through = (url: string, environment = {}): string | undefined =>
      proxyFor(new URL(url), proxyWith(environment, mirrors))?.host;
    assert.is(through("http://apt.invalid/debian/pool/a.deb"), "found.invalid:3142");
    assert.is(through("http://other.invalid/debian/pool/a.deb"), undefined);
    assert.is(
      through("http://apt.invalid/debian/pool/a.deb", { httpProxy: "environment.invalid:1" }),
      "environment.invalid:1",
    );
    assert.is(through("http://apt.invalid/debian/pool/a.deb", { noProxy: ".invalid" }), undefined);
  } finally {
    process.env = before;
  }
});

test.run();

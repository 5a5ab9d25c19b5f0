import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UsageError } from "../../base/livelab-error.js";
import { loadProfile, withSecurity } from "../profile/profiles.js";
import { proxyFor, proxySettingsFrom } from "./http-get.js";
import { addressesInArchive, addressesOf, findMirrors, parseConfiguredMirrors, parseIndexTargets } from "./mirrors.js";

const test = suite("mirrors");
const profile = withSecurity(loadProfile("bookworm"));

test("findMirrors() returns the configured mirrors first, in their order, and the profile's archives last", async () => {
  const mirrors = await findMirrors(profile, " http://one.example/debian  https://two.example/debian/ ");
  const urls = mirrors.debian.map(({ url }) => url);
  assert.equal(urls.slice(0, 2), ["http://one.example/debian/", "https://two.example/debian/"]);
  assert.equal(
    urls.slice(-3),
    profile.suites.flatMap(({ lastResorts }) => lastResorts),
  );
  assert.match(mirrors.npmRegistry ?? "", /^https?:\/\/.*\/$/);
});

test("a dated snapshot is tried before the archive of old releases", async () => {
  const buster = loadProfile("buster");
  const mirrors = await findMirrors(buster, "http://one.example/debian");
  assert.equal(addressesInArchive(mirrors, "debian", "dists/buster-backports/InRelease"), [
    "http://one.example/debian/dists/buster-backports/InRelease",
    "https://snapshot.debian.org/archive/debian/20240401T000000Z/dists/buster-backports/InRelease",
    "http://archive.debian.org/debian/dists/buster-backports/InRelease",
  ]);
  assert.equal(addressesInArchive(mirrors, "debian-security", "dists/buster/updates/InRelease").slice(1), [
    "https://snapshot.debian.org/archive/debian-security/20240801T000000Z/dists/buster/updates/InRelease",
    "http://archive.debian.org/debian-security/dists/buster/updates/InRelease",
  ]);
});

test("LIVELAB_MIRROR is refused if it is not a web address", () => {
  assert.throws(
    () => parseConfiguredMirrors("http://one.example/ mirror.example/debian"),
    (error: unknown) => error instanceof UsageError && error.message.includes('"mirror.example/debian"'),
  );
});

test("parseIndexTargets() returns only bases of the host's apt that serve the profile's suites, each once", () => {
  const output = [
    "http://apt.example/debian/ bookworm",
    "http://apt.example/debian/ bookworm", // contrib
    "http://apt.example/debian/ bookworm-updates",
    "http://apt.example/security/ bookworm-security",
    "http://apt.example/ubuntu/ noble",
    "cdrom://disc/ bookworm",
    "",
  ].join("\n");
  assert.equal(parseIndexTargets(output, profile.suites), [
    { url: "http://apt.example/debian/", origin: "the host's apt", archive: "debian" },
    { url: "http://apt.example/security/", origin: "the host's apt", archive: "debian-security" },
  ]);
});

test("a mirror of one archive is used only for files of that archive", () => {
  const mirrors = {
    debian: [
      { url: "http://any.example/", origin: "LIVELAB_MIRROR" },
      { url: "http://security.example/", origin: "the host's apt", archive: "debian-security" },
    ],
    npmRegistry: "http://npm.example/",
  } as const;
  assert.equal(addressesInArchive(mirrors, "debian", "pool/a.deb"), ["http://any.example/pool/a.deb"]);
  assert.equal(addressesInArchive(mirrors, "debian-security", "pool/updates/a_1%3a1.deb"), [
    "http://any.example/pool/updates/a_1%253a1.deb",
    "http://security.example/pool/updates/a_1%253a1.deb",
  ]);
});

test("addressesOf() returns the address of a scoped package's tarball", () => {
  const digest = { algorithm: "sha512", hex: "" } as const;
  const file = {
    kind: "npm",
    name: "@scope/tool",
    version: "1.2.3",
    path: "node_modules/@scope/tool",
    digest,
  } as const;
  assert.equal(addressesOf(file, profile, { debian: [], npmRegistry: "http://npm.example/" }), [
    "http://npm.example/@scope/tool/-/tool-1.2.3.tgz",
  ]);
});

test("requests use the proxy of their scheme, except for hosts in no_proxy", () => {
  const settings = proxySettingsFrom({
    http_proxy: "proxy.example:3128",
    HTTPS_PROXY: "http://secure.example:3129",
    HTTP_PROXY: "http://attacker.example", // could come from a CGI request header
    no_proxy: "localhost, .inside.example",
  });
  const host = (url: string) => proxyFor(new URL(url), settings)?.host;
  assert.is(host("http://mirror.example/"), "proxy.example:3128");
  assert.is(host("https://mirror.example/"), "secure.example:3129");
  assert.is(host("http://a.inside.example/"), undefined);
  assert.is(host("http://inside.example/"), undefined);
  assert.is(host("http://notinside.example/"), "proxy.example:3128");
  assert.is(host("http://localhost:8080/"), undefined);
});

test("the variables of proxies are read as curl reads them: lower case first, and all_proxy for both schemes", () => {
  const read = (env: Record<string, string>) => {
    const { httpProxy, httpsProxy, noProxy } = proxySettingsFrom(env);
    return [httpProxy, httpsProxy, noProxy];
  };
  assert.equal(read({ all_proxy: "a:1", ALL_PROXY: "b:1" }), ["a:1", "a:1", undefined]);
  assert.equal(read({ ALL_PROXY: "b:1", https_proxy: "c:1", HTTPS_PROXY: "d:1" }), ["b:1", "c:1", undefined]);
  assert.equal(read({ http_proxy: "", HTTP_PROXY: "e:1", no_proxy: "", NO_PROXY: "*" }), [undefined, undefined, "*"]);
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { UsageError } from "../../base/livelab-error.js";
import { proxyFor } from "./proxy-settings.js";

const test = suite("proxy settings");
const target = new URL("http://mirror.example/file");

test("the host of a proxy begins after the last @, whatever user name and password contain", () => {
  for (const credentials of ["DOM\\user:p", "u:1#w", "u:p/w", "u:p?w", "u:p#w", "u:a@b", "u:p\tw", "http://u:p", ""]) {
    for (const scheme of ["http://", "https://", "socks5://"]) {
      const proxy = proxyFor(target, { httpProxy: `${scheme}${credentials}@proxy.example:3128` });
      assert.is(proxy?.host, "proxy.example:3128", `${scheme}${credentials}`);
    }
  }
  const { username, password, host } = proxyFor(target, { httpProxy: "DOM\\user:p@[2001:db8::1]:3128" }) ?? {};
  assert.equal([username, password, host], ["DOM%5Cuser", "p", "[2001:db8::1]:3128"]);
  assert.is(proxyFor(target, { httpProxy: "http:3128" })?.host, "http:3128");
});

test("a proxy with quotes or without its // is refused with the setting and the reason, and without credentials", () => {
  for (const [written, why] of [
    ["'http://proxy.example:3128'", /contains quotes/],
    ['"http://u:secret@proxy.example:3128"', /contains quotes/],
    ["'http://u:secret@proxy.example:3128", /contains quotes/],
    ["http://u:secret@proxy.example:3128’", /contains quotes/],
    ["http:/proxy.example:3128", /lacks \/\/ after its scheme/],
    ["http:proxy.example:3128", /lacks \/\/ after its scheme/],
    ["HTTPS:/u:secret@proxy.example:3128", /lacks \/\/ after its scheme/],
    ["socks5:u:secret@proxy.example:1080", /lacks \/\/ after its scheme/],
    ["http://http://proxy.example:3128", /has a scheme where its host belongs/],
    ["u:secret@http://proxy.example:3128", /has a scheme where its host belongs/],
    ["ftp:/proxy.example:3128", /has a scheme where its host belongs/],
    ["http://u:secret@proxy.example:port", /is not an address/],
  ] as const) {
    try {
      proxyFor(target, { httpProxy: written });
      assert.unreachable(written);
    } catch (error) {
      const { code, message, hint } = error as UsageError;
      assert.is(code, "BAD_PROXY", written);
      assert.match(message, "of http_proxy (or all_proxy)");
      assert.match(message, why);
      assert.not.match(`${message} ${hint}`, "secret");
    }
  }
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isExempt } from "./no-proxy.js";

const test = suite("no_proxy");

/** Asserts for each address whether the list exempts it. */
function expectEach(noProxy: string, expected: Readonly<Record<string, boolean>>): void {
  for (const [url, exempt] of Object.entries(expected))
    assert.is(isExempt(new URL(url), noProxy), exempt, `${url} with no_proxy="${noProxy}"`);
}

test("a name matches the host and its subdomains, in any case, with or without dots and stars around it", () => {
  for (const entry of ["inside.example", ".inside.example", "*.inside.example", "INSIDE.Example", "inside.example."]) {
    expectEach(entry, {
      "http://inside.example/": true,
      "https://A.Inside.Example/": true,
      "http://a.b.inside.example:8080/": true,
      "http://inside.example./": true,
      "http://notinside.example/": false,
      "http://inside.example.com/": false,
    });
  }
  expectEach("bücher.example", { "http://xn--bcher-kva.example/": true, "http://www.bücher.example/": true });
});

test("entries are separated by commas, spaces or both", () => {
  for (const list of ["one.example,two.example", "one.example two.example", " one.example ,\ttwo.example,, "]) {
    expectEach(list, { "http://one.example/": true, "http://two.example/": true, "http://three.example/": false });
  }
});

test("an address matches itself, and a network matches all its addresses", () => {
  expectEach("10.0.0.0/8,192.168.7.0/25 172.16.0.1", {
    "http://10.1.2.3/": true,
    "http://11.1.2.3/": false,
    "http://192.168.7.127/": true,
    "http://192.168.7.128/": false,
    "http://172.16.0.1:8080/": true,
    "http://172.16.0.10/": false,
    "http://10.example/": false,
  });
  expectEach("0.0.0.0/0", { "http://203.0.113.9/": true, "http://[2001:db8::1]/": false });
  expectEach("10.0.0.0/33 10.0.0.0/x 10.0.0.0/ 10.0.0.0/-1", { "http://10.1.2.3/": false });
});

test("an IPv6 address may have brackets, another spelling, a prefix and a port", () => {
  const here = { "http://[2001:db8::1]/": true, "http://[2001:db8::2]/": false };
  for (const entry of ["2001:db8::1", "[2001:db8::1]", "2001:DB8:0:0::1", "[2001:db8::1]:80"]) expectEach(entry, here);
  for (const entry of ["fd00::/8", "[fd00::]/8"]) {
    expectEach(entry, { "http://[fd12:3456::1]:8080/": true, "http://[fe80::1]/": false });
  }
  expectEach("[::1]:8080", { "http://[::1]:8080/": true, "http://[::1]/": false });
  expectEach("10.0.0.0/8", { "http://[::ffff:10.1.2.3]/": true });
});

test("an entry with a port matches only that port; an address without one has its scheme's default", () => {
  expectEach("127.0.0.1:8080 inside.example:443 *.port.example:80", {
    "http://127.0.0.1:8080/": true,
    "http://127.0.0.1:8081/": false,
    "https://a.inside.example/": true,
    "http://inside.example/": false,
    "http://a.port.example/": true,
  });
});

test("a star exempts everything, alone or in a list", () => {
  for (const list of ["*", "one.example, *"]) {
    expectEach(list, { "http://any.example/": true, "https://10.1.2.3/": true, "http://[::1]/": true });
  }
});

test("the host's own names are exempt only if the list has them", () => {
  expectEach("localhost 127.0.0.0/8 ::1", {
    "http://localhost/": true,
    "http://LOCALHOST:3142/": true,
    "http://127.9.9.9/": true,
    "http://127.1/": true,
    "http://[::1]/": true,
  });
  expectEach("", { "http://localhost/": false, "http://127.0.0.1/": false });
});

test("a part of an address does not match as a domain", () => {
  expectEach("0.0.1 1", { "http://127.0.0.1/": false });
});

test.run();

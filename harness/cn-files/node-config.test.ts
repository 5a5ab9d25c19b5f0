import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { nodeConfigLines, nodeConfigServers } from "../../fixtures/node-config-cases.js";
import { formatFileWarning } from "./file-warning.js";
import { parseNodeConfigFile, readNodeConfigFile } from "./node-config.js";

const test = suite("node.config");
const fixture = (name: string): string => join(findProjectRoot(), "fixtures", name);

test("the fixture yields no warnings, and its password comes from the file next to it", async () => {
  const file = await readNodeConfigFile(fixture("node.config"));
  assert.equal(file.warnings, []);
  assert.match(file.rootShadow ?? "", /^\$6\$/);
  assert.is(file.rootPassword, "livelab-fixture");
  assert.is(file.values.get("dns_domain"), "livelab.example");
});

test("a missing root_shadow yields a warning with the command that makes one", async () => {
  const file = await readNodeConfigFile(fixture("node.config.no-root-shadow"));
  assert.is(file.rootShadow, undefined);
  assert.is(file.rootPassword, undefined);
  assert.is(file.warnings.length, 1);
  assert.match(
    file.warnings.map(formatFileWarning).join("\n"),
    /no-root-shadow:root_shadow: is missing.*openssl passwd -6/,
  );
});

test("a clear-text password and a broken line yield warnings with their places", () => {
  const file = parseNodeConfigFile("nc", Buffer.from("a='1'\nwhat is this\nroot_shadow='secret'\n"));
  assert.equal(
    file.warnings.map((warning) => warning.place),
    ["2", "root_shadow"],
  );
});

test("parseNodeConfigFile() reads a file as the image does, and warns of each line that the image does not use", () => {
  for (const { title, text, values, unreadable } of nodeConfigLines) {
    const file = parseNodeConfigFile("nc", Buffer.from(text));
    assert.equal(Object.fromEntries(file.values), values, title);
    const lines = file.warnings.filter(({ place }) => /^\d+$/.test(place));
    assert.equal(
      lines.map(({ place, problem }) => `${place} ${problem.split(" ")[0]}`),
      unreadable.map(({ line, key }) => `${line} ${key ?? "does"}`), // "does not begin with KEY="
      title,
    );
  }
});

test("a root_shadow in a line that is too long yields a warning with its key, and no value", () => {
  const file = parseNodeConfigFile("nc", Buffer.from(`root_shadow='$6$${"x".repeat(1024)}'\n`));
  assert.is(file.rootShadow, undefined);
  assert.match(file.warnings.map(formatFileWarning).join("\n"), /^nc:1: root_shadow is longer than 1024 bytes, so/);
});

test("parseNodeConfigFile() warns of each server and domain that the image ignores", () => {
  for (const { title, text, unusable } of nodeConfigServers) {
    const { warnings } = parseNodeConfigFile("nc", Buffer.from(text));
    assert.equal(
      warnings.filter(({ place }) => place !== "root_shadow").map(({ place }) => place),
      unusable.map(({ key }) => key),
      title,
    );
    for (const { word } of unusable) assert.match(warnings.map(formatFileWarning).join("\n"), JSON.stringify(word));
  }
});

test("parseNodeConfigFile() warns of each name that systemd ignores, because a label is empty or it is too long", () => {
  const label = "a".repeat(63);
  const longest = `${label}.${label}.${label}.${"a".repeat(61)}`;
  for (const [key, name, says] of [
    ["dns_domain", "lab..example", /"lab\.\.example" has an empty label, so systemd ignores it/],
    ["dns_domain", "lab.example..", /has an empty label/],
    ["dns_domain", `${label}a.example`, /has a label longer than 63 characters/],
    ["dns_domain", `${longest}a`, /is longer than 253 characters/],
    ["datacenter_name", `${label}a`, /has a label longer than 63 characters/],
    ["ntp_hosts", "10.0.0.1,ntp..example", /"ntp\.\.example" has an empty label/],
    ["ntp_hosts", `${longest}a`, /is longer than 253 characters/],
  ] as const) {
    const { warnings } = parseNodeConfigFile("nc", Buffer.from(`${key}='${name}'\n`));
    const [first, ...others] = warnings.filter(({ place }) => place !== "root_shadow");
    assert.is(first?.place, key, name);
    assert.match(first?.problem ?? "", says);
    assert.equal(others, []);
  }
  const fits = `dns_domain='${longest}.'\nntp_hosts='${longest} fd00::7 ntp.example.'\n`;
  assert.equal(
    parseNodeConfigFile("nc", Buffer.from(fits)).warnings.map(({ place }) => place),
    ["root_shadow"],
  );
});

test("a root_shadow that /etc/shadow cannot hold is not used, as in the image", () => {
  for (const text of ["root_shadow='a:b'", "root_shadow='a b'", "root_shadow='$6$a$b", "root_shadow=''"]) {
    const file = parseNodeConfigFile("nc", Buffer.from(text), "secret\n");
    assert.equal([file.rootShadow, file.rootPassword], [undefined, undefined], text);
    assert.is(file.warnings.at(-1)?.place, "root_shadow");
  }
});

test("an unreadable file is a usage error", async () => {
  try {
    await readNodeConfigFile("/nonexistent/node.config");
    assert.unreachable();
  } catch (error) {
    assert.is((error as { code?: string }).code, "NODE_CONFIG_UNREADABLE");
  }
});

test.run();

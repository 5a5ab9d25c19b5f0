import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { formatFileWarning } from "./file-warning.js";
import { parseNetworkingFile, readNetworkingFile } from "./networking-json.js";

const test = suite("networking.json");
const fixture = (name: string): string => join(findProjectRoot(), "fixtures", name);
const warningsOf = (json: unknown): string[] =>
  parseNetworkingFile("n.json", Buffer.from(JSON.stringify(json))).warnings.map(formatFileWarning);

test("the fixture yields no warnings, and its admin vnic, resolvers and hostname", async () => {
  const file = await readNetworkingFile(fixture("networking.json"));
  assert.equal(file.warnings, []);
  assert.is(file.adminVnic?.ip, "10.99.99.38");
  assert.is(file.adminVnic?.netmask, "255.255.255.0");
  assert.equal(file.resolvers, ["10.99.99.11", "10.99.99.12"]);
  assert.is(file.hostname, "cn-38");
  assert.match(file.sha1, /^[0-9a-f]{40}$/);
});

test("a file that is not JSON keeps its bytes and yields a warning with line and column", async () => {
  const file = await readNetworkingFile(fixture("networking.not-json"));
  assert.is(file.adminVnic, undefined);
  assert.ok(file.bytes.length > 500);
  assert.is(file.warnings.length, 1);
  assert.match(
    file.warnings.map(formatFileWarning).join("\n"),
    /networking\.not-json:10:16: is not JSON \(found "admin,"\)\. Remedy: /,
  );
});

test("a file of 20,000 nested brackets yields warnings and no exception, whether complete or cut off", () => {
  const nested = "[".repeat(20_000) + "]".repeat(20_000);
  for (const text of [
    nested,
    nested.slice(0, -1),
    `{"vnics":${nested}}`,
    `{"nictags":${nested},"hostname":${nested}}`,
  ]) {
    const file = parseNetworkingFile("n.json", Buffer.from(text));
    assert.is(file.adminVnic, undefined);
    assert.ok(file.warnings.length > 0, text.slice(0, 20));
  }
});

test("missing vnics and missing resolvers yield one warning each", async () => {
  const noVnics = await readNetworkingFile(fixture("networking.no-vnics.json"));
  assert.equal(
    noVnics.warnings.map((warning) => warning.place),
    ["vnics"],
  );
  const noResolvers = await readNetworkingFile(fixture("networking.no-resolvers.json"));
  assert.equal(
    noResolvers.warnings.map((warning) => warning.place),
    ["resolvers"],
  );
  assert.is(noResolvers.adminVnic?.ip, "10.99.99.38");
});

test("a warning names the place of a bad vnic, and the next good vnic is used", () => {
  const good = { mac: "52:54:00:00:00:01", ip: "10.0.0.2", netmask: "255.255.255.0", nic_tag: "admin" };
  const json = { resolvers: ["10.0.0.1"], vnics: [{ ...good, netmask: "255.0.255.0" }, good] };
  const file = parseNetworkingFile("n.json", Buffer.from(JSON.stringify(json)));
  assert.is(file.adminVnic?.ip, "10.0.0.2");
  assert.match(warningsOf(json)[0] ?? "", "n.json:vnics[0].netmask: is not a netmask");
});

test("the admin vnic is the one on admin_tag", () => {
  const vnic = { mac: "52:54:00:00:00:01", ip: "10.0.0.2", netmask: "255.255.255.0", nic_tag: "admin" };
  assert.match(
    warningsOf({ admin_tag: "admin_rack_7", resolvers: ["10.0.0.1"], vnics: [vnic] })[0] ?? "",
    'no usable vnic has the nic_tag "admin_rack_7"',
  );
});

const admin = { mac: "52:54:00:00:00:01", ip: "10.0.0.2", netmask: "255.255.255.0", nic_tag: "admin" };

test("a field of the wrong type yields one warning, and the other fields are used, as in the image", () => {
  for (const [field, value] of [
    ["resolvers", "10.0.0.1"],
    ["admin_tag", ["admin"]],
    ["hostname", { a: 1 }],
    ["dns_domain", 3],
    ["routes", []],
    ["nictag_rules", "none"],
  ] as const) {
    const json = {
      resolvers: ["10.0.0.1"],
      hostname: "cn1",
      vnics: [{ ...admin, resolvers: ["10.0.0.3"] }],
      [field]: value,
    };
    const file = parseNetworkingFile("n.json", Buffer.from(JSON.stringify(json)));
    assert.is(file.adminVnic?.ip, "10.0.0.2", field);
    assert.is(file.hostname, field === "hostname" ? undefined : "cn1");
    assert.equal(
      file.warnings.map(({ place }) => place),
      [field],
    );
  }
  assert.equal(warningsOf({ resolvers: ["10.0.0.1"], vnics: [admin], hostname: null, routes: null }), []);
});

test("a resolver that is not an IPv4 address yields one warning, and the others are used", () => {
  const resolvers = ["10.0.0.1", "fd00::11", 7];
  const json = { resolvers, vnics: [{ ...admin, resolvers: [...resolvers, "10.0.0.3", "x"] }] };
  const file = parseNetworkingFile("n.json", Buffer.from(JSON.stringify(json)));
  assert.equal(
    file.warnings.map(({ place }) => place),
    ["resolvers[1]", "resolvers[2]", "vnics[0].resolvers[4]"],
  );
  assert.is(file.adminVnic?.ip, "10.0.0.2");
  assert.equal(file.resolvers, ["10.0.0.1", "10.0.0.3"]);
});

test("a vnic with a wrong gateway, MTU or resolvers is used without them, as in the image", () => {
  for (const [field, value] of [
    ["gateway", "nowhere"],
    ["mtu", "1500"],
    ["resolvers", "10.0.0.1"],
  ] as const) {
    const json = { resolvers: ["10.0.0.1"], vnics: [{ ...admin, [field]: value }] };
    const file = parseNetworkingFile("n.json", Buffer.from(JSON.stringify(json)));
    assert.equal(file.adminVnic, admin, field);
    assert.match(file.warnings.map(formatFileWarning).join("\n"), `n.json:vnics[0].${field}: `);
  }
});

test("a vnic without the MAC of a NIC or the address of a host is not used, and the warning names its place", () => {
  for (const [field, value] of [
    ["mac", "53:54:00:00:00:01"],
    ["mac", "ff:ff:ff:ff:ff:ff"],
    ["mac", "00:00:00:00:00:00"],
    ["mac", "52-54-00-00-00-01"],
    ["ip", "224.0.0.5"],
    ["ip", "127.0.0.5"],
    ["ip", "0.0.0.5"],
    ["ip", "255.255.255.255"],
    ["ip", "010.0.0.2"],
    ["ip", "nowhere"],
    ["netmask", "nowhere"],
    ["netmask", "0.0.0.0"],
  ] as const) {
    const json = { resolvers: ["10.0.0.1"], vnics: [{ ...admin, [field]: value }] };
    const file = parseNetworkingFile("n.json", Buffer.from(JSON.stringify(json)));
    assert.equal([file.adminVnic, file.vnics], [undefined, []], value);
    const [first = "", second = "", ...others] = warningsOf(json);
    assert.match(first, `n.json:vnics[0].${field}: is not `);
    assert.match(second, "no usable vnic");
    assert.equal(others, []);
  }
  const upperCase = { resolvers: ["10.0.0.1"], vnics: [{ ...admin, mac: "52:54:00:AB:CD:EF", ip: "223.255.255.2" }] };
  assert.equal(warningsOf(upperCase), []);
});

test("a VLAN, MTU or gateway that the image refuses yields one warning, and the vnic keeps its MAC and address", () => {
  for (const [field, value, says] of [
    ["vlan_id", 5000, /is not a VLAN \(1 to 4094\).*may skip this NIC/],
    ["vlan_id", 1.5, /is not a VLAN/],
    ["vlan_id", "5", /expected number/],
    ["mtu", 100, /is not an MTU \(576 to 9000\).*does without it/],
    ["mtu", 9001, /is not an MTU/],
    ["gateway", "10.0.1.1", /is not on the vnic's network: 10\.0\.1\.1/],
    ["gateway", "10.0.0.2", /is not on the vnic's network/],
    ["gateway", "nowhere", /is not an IPv4 address/],
    ["gateway", "224.0.0.1", /is not the address of a host/],
  ] as const) {
    const json = { resolvers: ["10.0.0.1"], vnics: [{ ...admin, [field]: value }] };
    const file = parseNetworkingFile("n.json", Buffer.from(JSON.stringify(json)));
    assert.equal(file.adminVnic, admin, `${field} ${value}`);
    assert.is(file.warnings.length, 1);
    assert.match(warningsOf(json)[0] ?? "", `n.json:vnics[0].${field}: `);
    assert.match(warningsOf(json)[0] ?? "", says);
  }
  for (const usable of [{ vlan_id: 0 }, { vlan_id: 4094 }, { mtu: 576 }, { mtu: 9000 }, { gateway: "10.0.0.1" }]) {
    assert.equal(warningsOf({ resolvers: ["10.0.0.1"], vnics: [{ ...admin, ...usable }] }), []);
  }
});

test("a hostname or domain that the image or systemd ignores yields one warning with its place", () => {
  for (const [name, says] of [
    ["lab..example", /has an empty label, so systemd may ignore it/],
    ["a".repeat(64), /has a label longer than 63 characters, so systemd may ignore it/],
    [`${"a.".repeat(32)}a`, /is not a name of at most 64 letters.*the image does not use it/],
    ["lab_1", /is not a name/],
    ["-lab", /is not a name/],
    ["lab.", /is not a name/],
  ] as const) {
    for (const place of ["hostname", "dns_domain"]) {
      const [warning = "", ...others] = warningsOf({ resolvers: ["10.0.0.1"], vnics: [admin], [place]: name });
      assert.match(warning, `n.json:${place}: `, name);
      assert.match(warning, says);
      assert.equal(others, []);
    }
  }
  const usable = { hostname: "CN-38", dns_domain: `${"a".repeat(31)}.${"a".repeat(32)}` };
  assert.equal(warningsOf({ resolvers: ["10.0.0.1"], vnics: [admin], ...usable }), []);
});

test("an array instead of an object yields a warning, not an exception", () => {
  assert.is(warningsOf([]).length, 1);
});

test("an unreadable file is a usage error", async () => {
  try {
    await readNetworkingFile("/nonexistent/networking.json");
    assert.unreachable();
  } catch (error) {
    assert.is((error as { kind?: string }).kind, "usage");
    assert.match((error as Error).message, "/nonexistent/networking.json");
  }
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bootOptions, type GivenBootOptions, readBootOptions, recordOptions } from "./boot-options.js";

const test = suite("boot options");

function refusal(given: GivenBootOptions): string {
  try {
    readBootOptions(given);
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code}: ${message}`;
  }
  return "not refused";
}

test("options are parsed, lists element by element, and an absent option has its default", () => {
  const settings = readBootOptions({
    uuid: "12345678-9ABC-4DEF-8123-456789ABCDEF",
    nics: ["52:54:00:99:00:3A"],
    peers: ["10.99.99.60/3105", "10.1.0.1,routed"],
    port: "8080",
    chain: true,
    altered: { "networking.json.hash": "0" },
  });
  assert.is(settings.uuid, "12345678-9abc-4def-8123-456789abcdef");
  assert.equal(settings.nics, ["52:54:00:99:00:3a"]);
  assert.equal(settings.peers, [
    { ip: "10.99.99.60", vlan: 3105, routed: false },
    { ip: "10.1.0.1", vlan: 0, routed: true },
  ]);
  assert.is(settings.port, 8080);
  assert.is(settings.chain, true);
  assert.equal(settings.altered.get("networking.json.hash"), Buffer.from("0"));
  const { mac, disks, medium, until, cpus } = readBootOptions({});
  assert.equal(
    { mac, disks, medium, until, cpus },
    { mac: undefined, disks: [], medium: "ipxe", until: "login", cpus: 2 },
  );
  assert.is(readBootOptions({}).chain, false);
});

test("an error for an invalid option quotes the invalid text", () => {
  assert.is(refusal({ nics: ["52:54:00:99:00:39", "x"] }), "BAD_MAC: x is not the MAC address of a NIC");
  assert.is(refusal({ peers: ["10.1.2"] }), 'BAD_PEER: "10.1.2" is not a peer address');
  assert.is(refusal({ port: "0" }), 'BAD_COUNT: --port "0" is not a whole number, 1 or more');
  assert.is(refusal({ serial: "none" }), 'UNKNOWN_SERIAL: "none" is not one of ttya, ttyb, ttyc, ttyd');
  for (const text of ["10.99.99", "fd00::1", "224.0.0.1", ""]) {
    const expected = `BAD_DHCP_ADDRESS: "${text}" is not the IPv4 address of a host`;
    assert.is(refusal({ dhcpResolvers: [text] }), expected);
    assert.is(refusal({ dhcpGateway: text }), expected);
  }
  assert.is(refusal({ accelerator: "xen" }), 'UNKNOWN_ACCELERATOR: "xen" is not one of auto, kvm, tcg');
});

test("a boot from a medium rejects every option that needs a headnode, and accepts the same options empty", () => {
  const given: GivenBootOptions = {
    networkingPath: "/x",
    nodeConfigPath: "/x",
    append: ["x"],
    nicTags: ["mgmt"],
    bootModules: ["x=/x"],
    serial: "ttya",
    dhcpResolvers: ["10.99.99.11"],
    dhcpGateway: "10.99.99.1",
    transport: "tftp",
    chain: true,
    port: "1",
    missing: ["vmlinuz"],
    altered: { vmlinuz: "" },
  };
  const fromHeadnode = Object.entries(bootOptions).filter(([, option]) => "fromHeadnode" in option);
  assert.equal(fromHeadnode.map(([name]) => name).sort(), Object.keys(given).sort());
  for (const [name, value] of Object.entries(given)) {
    assert.match(refusal({ medium: "usb", [name]: value }), /^NOT_FOR_MEDIUM: .* comes from the headnode/, name);
    assert.is(refusal({ [name]: value }), "not refused");
  }
  assert.is(refusal({ medium: "usb", append: [], chain: false, missing: [], altered: {} }), "not refused");
});

test("a boot from a medium accepts the defaults, which the command line passes", () => {
  const defaults = Object.entries(bootOptions).flatMap(([name, option]) =>
    "default" in option && name !== "medium" ? [[name, option.default]] : [],
  );
  assert.ok(defaults.some(([name]) => name === "serial"));
  assert.is(refusal({ medium: "usb", ...Object.fromEntries(defaults) }), "not refused");
});

test("a report has the command-line options as given, and no option that only code sets", () => {
  const recorded = recordOptions({ mac: "52:54:00:99:00:3A", nics: [], cpus: 1, altered: { vmlinuz: "" } });
  assert.equal(JSON.parse(JSON.stringify(recorded)), { mac: "52:54:00:99:00:3A", nics: [] });
});

test.run();

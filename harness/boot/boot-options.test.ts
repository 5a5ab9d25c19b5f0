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

test("each text is parsed, each element of a list by itself, and an absent option has its default", () => {
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

test("an element of a list that has no meaning is refused by name", () => {
  assert.is(refusal({ nics: ["52:54:00:99:00:39", "x"] }), "BAD_MAC: x is not the MAC address of a NIC");
  assert.is(refusal({ peers: ["10.1.2"] }), 'BAD_PEER: "10.1.2" is not a peer address');
  assert.is(refusal({ port: "0" }), 'BAD_COUNT: --port "0" is not a whole number, 1 or more');
  assert.is(refusal({ accelerator: "xen" }), 'UNKNOWN_ACCELERATOR: "xen" is not one of auto, kvm, tcg');
});

test("a boot from a medium refuses all that a headnode brings, and takes the same options empty", () => {
  const given: GivenBootOptions = {
    networkingPath: "/x",
    nodeConfigPath: "/x",
    append: ["x"],
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

test("a report has the options of the command line as they were given, and none that only code sets", () => {
  const recorded = recordOptions({ mac: "52:54:00:99:00:3A", nics: [], cpus: 1, altered: { vmlinuz: "" } });
  assert.equal(JSON.parse(JSON.stringify(recorded)), { mac: "52:54:00:99:00:3A", nics: [] });
});

test.run();

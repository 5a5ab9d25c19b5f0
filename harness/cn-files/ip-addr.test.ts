import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseAddresses } from "./ip-addr.js";

const test = suite("ip addr");

/** Output of iproute2 6.1, without the fields that parseAddresses() ignores. */
const printed = JSON.stringify([
  {
    ifname: "lo",
    address: "00:00:00:00:00:00",
    addr_info: [{ family: "inet", local: "127.0.0.1", prefixlen: 8, scope: "host", label: "lo" }],
  },
  {
    ifname: "admin0",
    address: "52:54:00:99:00:38",
    addr_info: [
      { family: "inet", local: "10.99.99.38", prefixlen: 24, scope: "global", dynamic: true, valid_life_time: 86399 },
      { family: "inet6", local: "fe80::5054:ff:fe99:38", prefixlen: 64, scope: "link" },
    ],
  },
  { ifname: "enp0s3", address: "52:54:00:99:00:39", addr_info: [] },
]);

test("parseAddresses() returns the global IPv4 addresses with their NIC, and marks leases as dynamic", () => {
  assert.equal(parseAddresses(printed), [
    { link: "admin0", mac: "52:54:00:99:00:38", address: "10.99.99.38/24", dynamic: true },
  ]);
});

test("parseAddresses() reports output other than ip's JSON as a failed expectation", () => {
  for (const text of ["", "sh: ip: not found", "[{}]"]) {
    try {
      parseAddresses(text);
      assert.unreachable(text);
    } catch (error) {
      assert.is((error as { code?: string }).code, "WRONG_VALUE");
    }
  }
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nearestLine } from "./nearest-line.js";

const test = suite("nearestLine");

const boot = [
  "[    0.000000] Linux version 6.1.0-40-amd64",
  "triton: network admin0 10.99.99.38/24",
  "triton: hostid: cannot read /sys/class/dmi/id/product_uuid",
  "cn7 logn: ",
];

test("nearestLine() finds a line with similar words", () => {
  assert.is(nearestLine(/^triton: hostid ([0-9a-f]{8})$/, boot), boot[2]);
  assert.is(nearestLine(/(?:^|\s)(\S+) login: $/, boot), boot[3]);
});

test("nearestLine() returns undefined if no line is similar", () => {
  assert.is(nearestLine(/Reached target multi-user/, boot), undefined);
  assert.is(nearestLine(/^\d+$/, boot), undefined);
});

test("nearestLine() returns the later of two equally similar lines", () => {
  assert.is(nearestLine("eth0 up", ["1 eth0 down", "2 eth0 down"]), "2 eth0 down");
});

test.run();

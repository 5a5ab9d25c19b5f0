import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseNetworkingFile } from "./networking-json.js";
import { type NicTags, nicArguments } from "./nic-tags.js";

const test = suite("NIC tags");
const [first, second, third] = ["52:54:00:99:00:38", "52:54:00:99:00:39", "52:54:00:99:00:3a"];
const none: NicTags = { nics: [], aggregations: [], adminTag: "admin" };
const aggr0 = { name: "aggr0", macs: [first, second], lacpMode: "active", tags: ["admin", "external"] };

test("NICs come before aggregations, and the aggregations' members and LACP modes after all tags", () => {
  const nics = [
    { mac: first, tags: ["admin"] },
    { mac: third, tags: ["instances"] },
  ];
  assert.equal(nicArguments({ ...none, nics, aggregations: [aggr0] }, first), [
    `instances_nic=${third}`,
    "admin_nic=aggr0",
    "external_nic=aggr0",
    `aggr0_aggr="${first},${second}"`,
    "aggr0_lacp_mode=active",
  ]);
});

test("the first NIC that provides a tag counts, and a NIC counts before an aggregation", () => {
  const nics = [
    { mac: first, tags: ["admin", "external"] },
    { mac: second, tags: ["external", "storage"] },
  ];
  const aggregations = [{ name: "aggr1", macs: [third], lacpMode: undefined, tags: ["storage", "x"] }];
  assert.equal(nicArguments({ ...none, nics, aggregations }, first), [
    `admin_nic=${first}`,
    `external_nic=${first}`,
    `storage_nic=${second}`,
    "x_nic=aggr1",
    `aggr1_aggr="${third}"`,
  ]);
});

test("without an admin NIC, admin_nic= with the boot NIC's MAC comes last", () => {
  assert.equal(nicArguments(none, first), [`admin_nic=${first}`]);
  assert.equal(nicArguments({ ...none, nics: [{ mac: second, tags: ["mgmt"] }] }, first), [
    `mgmt_nic=${second}`,
    `admin_nic=${first}`,
  ]);
  const aggregations = [{ ...aggr0, tags: ["external"] }];
  assert.is(nicArguments({ ...none, aggregations }, first).at(-1), `admin_nic=${first}`);
});

test("a CN on the admin network of its rack has the rack's argument, and no admin_nic=", () => {
  const nics = [{ mac: first, tags: ["admin_rack_7"] }];
  assert.equal(nicArguments({ ...none, adminTag: "admin_rack_7", nics }, first), [`admin_rack_7_nic=${first}`]);
});

test("a name that a kernel command line cannot hold gives no argument", () => {
  assert.equal(nicArguments({ ...none, nics: [{ mac: first, tags: ["admin", "a b", "ä"] }] }, first), [
    `admin_nic=${first}`,
  ]);
});

const argumentsOf = (json: unknown): readonly string[] =>
  nicArguments(parseNetworkingFile("n.json", Buffer.from(JSON.stringify(json))).nicTags, first);

test("networking.json names the tags of NICs without an address only in nictags, and those keep their place", () => {
  const nictags = [
    { name: "admin", mac: first },
    { name: "external", mac: second },
    { name: "unprovided" },
    { name: "storage", mac: third },
    { name: "backup", mac: third },
  ];
  const vnics = [
    { mac: first, nic_tag: "admin", nic_tags_provided: ["admin"] },
    { mac: "90:b8:d0:12:34:56", nic_tag: "external" },
    { mac: third, nic_tag: "storage", nic_tags_provided: ["backup", "storage"] },
  ];
  assert.equal(argumentsOf({ nictags, vnics }), [
    `admin_nic=${first}`,
    `external_nic=${second}`,
    `backup_nic=${third}`,
    `storage_nic=${third}`,
  ]);
});

test("an aggregation of networking.json without an LACP mode gives none", () => {
  const nictags = [{ name: "admin", mac: "aggr0" }];
  assert.equal(argumentsOf({ nictags, aggregations: [{ name: "aggr0", macs: [first] }] }), [
    "admin_nic=aggr0",
    `aggr0_aggr="${first}"`,
  ]);
});

test("tags and aggregations of the wrong type give no arguments", () => {
  for (const wrong of [1, "x", [1], [{}], { a: 1 }, [{ name: 1, mac: 2 }], null]) {
    assert.equal(argumentsOf({ nictags: wrong, aggregations: wrong, vnics: wrong }), [`admin_nic=${first}`]);
  }
});

test.run();

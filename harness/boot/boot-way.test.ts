import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { NetworkingFile } from "../cn-files/networking-json.js";
import type { BootMedium } from "./boot-medium.js";
import { milestonesOn } from "./boot-way.js";
import { milestoneNames } from "./milestones.js";

const test = suite("boot way");

const networking = { vnics: [{}] } as unknown as NetworkingFile;
const image = { hashFiles: { "filesystem.squashfs.hash": "/x.hash", "initrd.hash": "/y.hash" } };
const ipxe = { kind: "ipxe", transport: "http", loaderDir: undefined } as const;

/** What a boot does not pass. */
const leftOut = (medium: BootMedium, file: NetworkingFile | undefined = networking) => {
  const way = milestonesOn({ medium, networking: file, image });
  return milestoneNames.filter((name) => !way.includes(name));
};

test("only a chain fetches a loader, and only a medium fetches nothing from the headnode", () => {
  assert.equal(leftOut({ ...ipxe, loaderDir: "/loaders" }), []);
  assert.equal(leftOut(ipxe), ["loader-fetch"]);
  const fetches = ["loader-fetch", "ipxe-script", "kernel-fetch", "initrd-fetch", "modules-fetch", "live-boot-fetch"];
  for (const kind of ["iso", "iso-disk", "usb"] as const) assert.equal(leftOut({ kind, path: "/x" }), fetches);
});

test("no link is announced without a networking.json that speaks of one", () => {
  assert.equal(leftOut(ipxe, { vnics: [] } as unknown as NetworkingFile), ["loader-fetch", "networkd"]);
  assert.ok(!milestonesOn({ medium: ipxe, networking: undefined, image }).includes("networkd"));
});

test("no digest is checked of an image that has none", () => {
  const way = milestonesOn({ medium: ipxe, networking, image: { hashFiles: undefined } });
  assert.ok(!way.includes("verified"));
  assert.ok(way.includes("hostid"));
});

test.run();

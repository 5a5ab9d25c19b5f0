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

/** The milestones that a boot does not pass. */
const leftOut = (medium: BootMedium, file: NetworkingFile | undefined = networking) => {
  const way = milestonesOn({ medium, networking: file, image });
  return milestoneNames.filter((name) => !way.includes(name));
};

test("only a chain fetches a loader, and a boot from a medium fetches nothing from the headnode", () => {
  assert.equal(leftOut({ ...ipxe, loaderDir: "/loaders" }), []);
  assert.equal(leftOut(ipxe), ["loader-fetch"]);
  const fetches = ["loader-fetch", "ipxe-script", "kernel-fetch", "initrd-fetch", "modules-fetch", "live-boot-fetch"];
  for (const kind of ["iso", "iso-disk", "usb"] as const) assert.equal(leftOut({ kind, path: "/x" }), fetches);
});

test("the networkd milestone applies only with a networking.json that describes a NIC", () => {
  assert.equal(leftOut(ipxe, { vnics: [] } as unknown as NetworkingFile), ["loader-fetch", "networkd"]);
  assert.ok(!milestonesOn({ medium: ipxe, networking: undefined, image }).includes("networkd"));
});

test("the verified milestone applies only to an image with digests", () => {
  const way = milestonesOn({ medium: ipxe, networking, image: { hashFiles: undefined } });
  assert.ok(!way.includes("verified"));
  assert.ok(way.includes("hostid"));
});

test.run();

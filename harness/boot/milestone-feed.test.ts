import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type HeadnodeRequest, Transcript } from "../headnode/transcript.js";
import { followTranscript } from "./milestone-feed.js";

const test = suite("milestone feed");

const paths = {
  loaders: ["/l.efi", "/l.kpxe"],
  script: "/s",
  kernel: "/k",
  initrd: "/i",
  modules: ["/m1", "/m2"],
  squashfs: "/f",
};
const request: HeadnodeRequest = {
  timeMs: 1_000,
  method: "GET",
  path: "/s",
  status: 200,
  bytesSent: 10,
  bytesTotal: 10,
  complete: true,
  durationMs: 5,
  peer: "127.0.0.1:1",
  userAgent: "",
};

function toldOf(requests: readonly Partial<HeadnodeRequest>[]): string[] {
  const told: string[] = [];
  const transcript = new Transcript(() => 0);
  followTranscript(
    { paths, transcript },
    {
      onMilestone: ({ name, atMs }) => told.push(`${name} ${atMs}`),
      onRefusal: ({ path }) => told.push(`refused ${path}`),
    },
  );
  for (const entry of requests) {
    const ended = { ...request, ...entry };
    transcript.end(ended, ended);
  }
  return told;
}

test("a file sent whole is a milestone at the end of its transfer", () => {
  assert.equal(toldOf([{ path: "/s" }, { path: "/f", timeMs: 30_000, durationMs: 2_000 }]), [
    "ipxe-script 1005",
    "live-boot-fetch 32000",
  ]);
});

test("over TFTP it is the same, and one of the loaders is enough", () => {
  assert.equal(
    toldOf([
      { path: "/l.kpxe", method: "RRQ" },
      { path: "/s", method: "RRQ" },
    ]),
    ["loader-fetch 1005", "ipxe-script 1005"],
  );
});

test("modules are fetched when the last of them is", () => {
  assert.equal(toldOf([{ path: "/m2" }, { path: "/m2" }]), []);
  assert.equal(toldOf([{ path: "/m2" }, { path: "/m1" }]), ["modules-fetch 1005"]);
});

test("half a file, a HEAD, a part and a strange path are none", () => {
  assert.equal(
    toldOf([
      { path: "/f", complete: false },
      { path: "/f", method: "HEAD" },
      { path: "/f", status: 206 },
      { path: "/favicon.ico", status: 404 },
    ]),
    [],
  );
});

test("404 for a file of the boot is a refusal", () => {
  assert.equal(toldOf([{ path: "/k", status: 404 }]), ["refused /k"]);
});

test.run();

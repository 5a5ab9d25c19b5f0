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

function reportedFor(requests: readonly Partial<HeadnodeRequest>[]): string[] {
  const reported: string[] = [];
  const transcript = new Transcript(() => 0);
  followTranscript(
    { paths, transcript },
    {
      onMilestone: ({ name, atMs }) => reported.push(`${name} ${atMs}`),
      onRefusal: ({ path }) => reported.push(`refused ${path}`),
    },
  );
  for (const entry of requests) {
    const ended = { ...request, ...entry };
    transcript.end(ended, ended);
  }
  return reported;
}

test("a file that was sent completely is a milestone at the end of its transfer", () => {
  assert.equal(reportedFor([{ path: "/s" }, { path: "/f", timeMs: 30_000, durationMs: 2_000 }]), [
    "ipxe-script 1005",
    "live-boot-fetch 32000",
  ]);
});

test("a TFTP transfer is a milestone, too, and one of the loaders is enough", () => {
  assert.equal(
    reportedFor([
      { path: "/l.kpxe", method: "RRQ" },
      { path: "/s", method: "RRQ" },
    ]),
    ["loader-fetch 1005", "ipxe-script 1005"],
  );
});

test("modules-fetch is reached with the last module", () => {
  assert.equal(reportedFor([{ path: "/m2" }, { path: "/m2" }]), []);
  assert.equal(reportedFor([{ path: "/m2" }, { path: "/m1" }]), ["modules-fetch 1005"]);
});

test("an incomplete file, a HEAD, a range and an unknown path are no milestones", () => {
  assert.equal(
    reportedFor([
      { path: "/f", complete: false },
      { path: "/f", method: "HEAD" },
      { path: "/f", status: 206 },
      { path: "/favicon.ico", status: 404 },
    ]),
    [],
  );
});

test("a 404 for a file of the boot is a refusal", () => {
  assert.equal(reportedFor([{ path: "/k", status: 404 }]), ["refused /k"]);
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BootReport } from "../boot/boot-report.js";
import type { ClaimOutcome } from "../scenarios/asked-claims.js";
import type { ScenarioBootResult } from "../scenarios/scenario-boot.js";
import { formatWayTable, wayTable } from "./way-table.js";

const test = suite("way table");

function boot(
  options: Partial<BootReport["options"]>,
  { atMs = 41_000, outcome = "passed" as ClaimOutcome, sha256 = "ab" } = {},
): ScenarioBootResult {
  const report = {
    options: { medium: "ipxe", firmware: "bios", transport: "http", chain: false, until: "login", ...options },
    milestones: [{ name: "login", state: "reached", atMs, detail: "" }],
    image: { files: { "filesystem.squashfs": { sizeBytes: 1, sha256 } } },
  } as unknown as BootReport;
  return { name: "b", folder: "/b", claims: [{ title: "t", outcome, durationMs: 1 }], report };
}

test("the table shows the time of each way, why a cell is empty, and the common digest", () => {
  const table = wayTable([
    boot({}),
    boot({ transport: "booter", chain: true, firmware: "uefi" }, { atMs: 62_000 }),
    boot({ medium: "usb", transport: undefined }, { outcome: "failed" }),
  ]);
  assert.ok(table);
  assert.is(
    formatWayTable(table),
    `to login                   BIOS             UEFI
iPXE, all by HTTP          41.0 s           impossible: QEMU's EFI iPXE starts a kernel without its initrd; UEFI needs the two-step chain
two-step chain, then HTTP  not run          1 min 02 s
iPXE, all by TFTP          not run          not run
ISO in a CD drive          not run          not run
ISO on a disk              not run          not run
USB stick                  failed (41.0 s)  not run
squashfs of every boot: sha256 ab`,
  );
});

test("the table shows a failed boot even if another boot of the same way passed, and the digest of every image", () => {
  const table = wayTable([boot({}), boot({}, { outcome: "broken" }), boot({ medium: "iso" }, { sha256: "cd" })]);
  assert.is(table?.rows[0]?.bios.outcome, "failed");
  assert.equal(table?.digests, ["ab", "cd"]);
});

test("boots of one way produce no table, and a boot that stops before login is left out", () => {
  assert.is(wayTable([boot({}), boot({})]), undefined);
  assert.is(wayTable([boot({}), boot({ medium: "iso", until: "hostid" })]), undefined);
});

test.run();

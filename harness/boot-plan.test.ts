import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../vm/project-root.js";
import { TempDir } from "../vm/temp-dir.js";
import { type BootOptions, type BootPlan, planBoot } from "./boot-plan.js";

const test = suite("boot plan");
const fixture = (name: string): string => join(findProjectRoot(), "fixtures", name);

async function plan(options: Partial<BootOptions>): Promise<BootPlan> {
  await using dir = await TempDir.create("boot-plan");
  for (const name of ["vmlinuz", "initrd", "filesystem.squashfs"]) await writeFile(join(dir.path, name), name);
  return await planBoot({ imageDir: dir.path, reportDir: dir.path, stateDir: dir.path, ...options });
}

async function refusal(options: Partial<BootOptions>): Promise<string> {
  try {
    await plan(options);
  } catch (error) {
    const { kind, code, message } = error as { kind: string; code: string; message: string };
    return `${kind} ${code}: ${message}`;
  }
  return "not refused";
}

test("takes MAC and hostname from networking.json, and keeps booter's order of kernel arguments", async () => {
  const { mac, kernelArguments, rootPassword, until } = await plan({
    networkingPath: fixture("networking.json"),
    nodeConfigPath: fixture("node.config"),
    append: ["noimport=true", "x=1"],
  });
  assert.is(mac, "52:54:00:99:00:38");
  assert.equal(kernelArguments, ["hostname=cn-38", "noimport=true", "x=1", "admin_nic=52:54:00:99:00:38"]);
  assert.is(rootPassword, "livelab-fixture");
  assert.is(until, "login");
});

test("a networking.json of another CN is warned of, and used", async () => {
  const { warnings, networking } = await plan({
    networkingPath: fixture("networking.json"),
    mac: "52:54:00:00:00:01",
  });
  assert.ok(networking);
  assert.match(warnings.map(({ problem }) => problem).join(), "no vnic has the MAC 52:54:00:00:00:01");
});

test("what is wrong with the command line is refused by name", async () => {
  const cases: [Partial<BootOptions>, string][] = [
    [{ medium: "iso" }, "usage NOT_YET: --medium iso is not supported yet"],
    [{ firmware: "uefi" }, "usage NOT_YET: --firmware uefi is not supported yet"],
    [{ until: "loggin" }, 'usage UNKNOWN_MILESTONE: there is no milestone "loggin"'],
    [{ until: "pivot", run: ["true"] }, "usage RUN_NEEDS_LOGIN: "],
    [{ uuid: "1234" }, "usage BAD_UUID: 1234 is not a UUID"],
    [{ mac: "53:54:00:00:00:01" }, "usage BAD_MAC: 53:54:00:00:00:01 is not the MAC address of a NIC"],
    [{ append: ["a\nb"] }, 'usage BAD_APPEND: "a\\nb" cannot stand on a kernel command line'],
    [{ disks: ["/nonexistent"] }, "usage DISK_UNREADABLE: cannot use the disk /nonexistent"],
    [{ networkingPath: "/nonexistent" }, "usage NETWORKING_UNREADABLE: "],
  ];
  for (const [options, expected] of cases) {
    const said = await refusal(options);
    assert.ok(said.startsWith(expected), `${said} should begin with ${expected}`);
  }
});

test("commands need a password that is known, or none at all", async () => {
  await using dir = await TempDir.create("boot-plan");
  const nodeConfigPath = join(dir.path, "node.config");
  await writeFile(nodeConfigPath, "root_shadow='$6$x$y'\n");
  const said = await refusal({ nodeConfigPath, run: ["true"] });
  assert.match(said, "usage PASSWORD_UNKNOWN: ");
  assert.match(said, nodeConfigPath);
  assert.is((await plan({ nodeConfigPath })).rootPassword, undefined);
  await plan({ nodeConfigPath: fixture("node.config.no-root-shadow"), run: ["true"] });
});

test("a disk's format is told by its first bytes", async () => {
  await using dir = await TempDir.create("boot-plan");
  const [raw, qcow2] = [join(dir.path, "raw"), join(dir.path, "qcow2")];
  await writeFile(raw, Buffer.alloc(512));
  await writeFile(qcow2, Buffer.from("QFI\xfb", "latin1"));
  assert.equal(
    (await plan({ disks: [raw, qcow2] })).disks.map(({ format }) => format),
    ["raw", "qcow2"],
  );
});

test.run();

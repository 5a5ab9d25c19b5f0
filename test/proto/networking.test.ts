/**
 * From networking.json to the files of systemd-networkd, the hostname and the console: for each input <name>.json of
 * fixtures/proto-networking, <name>.txt contains the complete expected output.
 */

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { FakeHost } from "../../fixtures/fake-host.js";
import { jqThatKnows } from "../../fixtures/networking-orders.js";
import { FakeInitramfs, type FakeInitramfsOptions, shells } from "../../fixtures/proto-initramfs.js";
import { parseNetworkingFile } from "../../harness/cn-files/networking-json.js";

/** The scripts of early boot that read networking.json. */
const scripts = ["live-premount/triton-networking", "live-bottom/triton-networking"];

const test = suite("proto: networking");
const program = join(findProjectRoot(), "proto/usr/triton/lib/sysinfo/sysinfo.mjs");
const { sysinfo } = (await import(program)) as { sysinfo: (host: FakeHost) => Promise<Record<string, unknown>> };
const tables = join(findProjectRoot(), "fixtures/proto-networking");

/** Names that udev would have assigned, so that the report finds its NICs. */
const nics = [
  "admin0",
  "admin1",
  "external0",
  "storage0",
  "storage_back0",
  "storage_back1",
  "sdc_overlay_0",
  "tag_eth0",
  "aggr0p0",
  "nic_external0",
  "nic_instance0",
  "underlay0",
];
const sysfs = Object.fromEntries(nics.map((nic) => [`sys/class/net/${nic}/address`, ""]));
const env = { BOOTIF: "01-52-54-00-AA-00-01" };

const sha1 = (text: string | Buffer): string => createHash("sha1").update(text).digest("hex");

let answers: TempDir;
let jq: string;
test.before(async () => {
  answers = await TempDir.create("networking-orders");
  const documents = await Promise.all(cases.map((name) => readFile(join(tables, `${name}.json`))));
  jq = await jqThatKnows(answers.path, documents, "52:54:00:aa:00:01");
});
test.after(() => answers[Symbol.asyncDispose]());

type Part = Pick<FakeInitramfsOptions, "shell" | "files" | "programs">;

/** Runs both networking scripts and returns their complete output as one text. @param programs see jqThatKnows() */
async function outcome({ shell, files, programs = { jq } }: Part): Promise<string> {
  const json = files?.["etc/triton-networking.json"];
  const hash = json === undefined ? {} : { "etc/triton-networking.json.hash": sha1(json) };
  await using initramfs = await FakeInitramfs.create({ shell, env, programs, files: { ...sysfs, ...hash, ...files } });
  await initramfs.run(...scripts);
  assert.is(await initramfs.read("dev/tty0"), await initramfs.read("dev/ttyS1"), "both consoles say the same");
  return [
    ...(await initramfs.console()),
    `== /etc/hostname\n${await initramfs.read("root/etc/hostname")}`,
    await initramfs.folder("run/systemd/network"),
  ].join("\n");
}

const cases = (await readdir(tables)).filter((file) => file.endsWith(".json")).map((file) => file.slice(0, -5));
assert.ok(cases.length >= 12, "the tables are there");

for (const shell of shells) {
  const shellName = shell.join(" ");

  for (const name of cases) {
    test(`${shellName}: ${name}.json gives the output in ${name}.txt`, async () => {
      const json = await readFile(join(tables, `${name}.json`), "utf8");
      const actual = await outcome({ shell, files: { "etc/triton-networking.json": json } });
      assert.fixture(actual, await readFile(join(tables, `${name}.txt`), "utf8"));
    });
  }

  test(`${shellName}: without networking.json no NIC is configured, and the console says what to do`, async () => {
    assert.is(
      await outcome({ shell }),
      "triton: error: no networking.json (/etc/triton-networking.json in the initramfs), so no NIC is configured from it; " +
        "check that NAPI has a NIC of this server with the admin tag, or boot with triton.dhcp-all-nics\n" +
        "triton: hostname 52-54-00-aa-00-01\n" +
        "== /etc/hostname\n52-54-00-aa-00-01\n\n",
    );
  });

  test(`${shellName}: early boot, sysinfo and the boot test all ignore one byte order mark before networking.json`, async () => {
    const json = '{"hostname":"cn7","admin_tag":"admin_rack_a1"}';
    for (const [text, isRead] of [
      [json, true],
      [`\ufeff${json}`, true],
      [`\ufeff\n${json}`, true],
      [`\ufeff\ufeff${json}`, false],
      [` \ufeff${json}`, false],
    ] as const) {
      const bytes = Buffer.from(text);
      const said = await outcome({ shell, files: { "etc/triton-networking.json": bytes }, programs: {} });
      const host = new FakeHost({ files: { "/usr/triton/config/triton-networking.json": text }, commands: {} });
      assert.equal(
        {
          earlyBoot: said.includes("== /etc/hostname\ncn7\n"),
          sysinfo: (await sysinfo(host))["Admin NIC Tag"] === "admin_rack_a1",
          harness: parseNetworkingFile("n.json", bytes).hostname === "cn7",
        },
        { earlyBoot: isRead, sysinfo: isRead, harness: isRead },
        JSON.stringify(text),
      );
    }
  });

  test(`${shellName}: only the exact kernel argument turns on DHCP on all NICs`, async () => {
    for (const [argument, expected] of [
      ["triton.dhcp-all-nics", true],
      ["triton.dhcp-all-nics=no", false],
      ["x.triton.dhcp-all-nics", false],
      ["triton.dhcp-all-nicsy", false],
    ] as const) {
      const written = await outcome({ shell, files: { "proc/cmdline": `boot=live ${argument} quiet\n` } });
      const file =
        "== 90-dhcp-all-nics.network\n[Match]\nType=ether\nKind=!*\n\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLMNR=no\n\n" +
        "[DHCPv4]\nVendorClassIdentifier=PXEClient.Linux.x86_64\n";
      assert.is(written.endsWith(file), expected, argument);
    }
  });

  test(`${shellName}: udev is triggered to rename NICs only if networking.json names some`, async () => {
    for (const [name, expected] of [
      [
        "full",
        "udevadm control --reload\nudevadm trigger --action=add --subsystem-match=net\nudevadm settle --timeout=30\n",
      ],
      ["empty-object", ""],
    ] as const) {
      const json = await readFile(join(tables, `${name}.json`), "utf8");
      await using initramfs = await FakeInitramfs.create({
        shell,
        env,
        programs: { jq },
        files: { "etc/triton-networking.json": json },
      });
      await initramfs.run("live-premount/triton-networking");
      assert.is(await initramfs.read("commands"), expected);
    }
  });

  test(`${shellName}: a second run writes the same files, and adds nothing to them`, async () => {
    const json = await readFile(join(tables, "aggregation.json"), "utf8");
    await using initramfs = await FakeInitramfs.create({
      shell,
      env,
      programs: { jq },
      files: { "etc/triton-networking.json": json },
    });
    await initramfs.run("live-premount/triton-networking");
    const before = await initramfs.folder("run/systemd/network");
    await initramfs.run("live-premount/triton-networking");
    assert.is(await initramfs.folder("run/systemd/network"), before);
  });

  test(`${shellName}: a networking.json that does not match its hash is used, and the console reports it`, async () => {
    const json = await readFile(join(tables, "first-boot.json"), "utf8");
    const right = sha1(json);
    const wrong = sha1(`${json} `);
    for (const [hash, expected] of [
      [right, undefined],
      [`${right}\n`, undefined],
      [wrong, `does not match networking.json.hash (SHA-1 ${right}, expected ${wrong})`],
      [right.slice(0, 39), `expected ${right.slice(0, 39)})`],
      ["", "expected none)"],
      ["$(reboot)\u001b[2J", "expected reboot2J)"],
      [null, "came without networking.json.hash"],
    ] as const) {
      const files = {
        ...sysfs,
        "etc/triton-networking.json": json,
        ...(hash === null ? {} : { "etc/triton-networking.json.hash": hash }),
      };
      await using initramfs = await FakeInitramfs.create({ shell, env, programs: { jq }, files });
      await initramfs.run(...scripts);
      const said = (await initramfs.console()).join("\n");
      assert.match(said, "triton: network admin0 10.77.0.41/24");
      assert.is(said.includes("triton: error: networking.json"), expected !== undefined, said);
      assert.match(said, expected ?? "");
    }
  });

  test(`${shellName}: the new root resolves the host's own name, also after a boot without BOOTIF`, async () => {
    const json = await readFile(join(tables, "full.json"), "utf8");
    await using initramfs = await FakeInitramfs.create({ shell, files: { "etc/triton-networking.json": json } });
    await initramfs.run(...scripts);
    assert.is(
      await initramfs.read("root/etc/hosts"),
      "127.0.0.1 localhost\n127.0.1.1 cn7.example.com cn7\n::1 localhost ip6-localhost ip6-loopback\n",
    );
  });

  test(`${shellName}: without networking.json and BOOTIF the image's hostname stays, and the console reports it`, async () => {
    await using initramfs = await FakeInitramfs.create({ shell, files: { "root/etc/hostname": "image\n" } });
    await initramfs.run(...scripts);
    assert.is(await initramfs.read("root/etc/hostname"), "image\n");
    assert.match((await initramfs.console()).join("\n"), "triton: error: no hostname: neither networking.json nor");
  });

  test(`${shellName}: a boot NIC without an entry keeps the address of ip=, and the console reports it`, async () => {
    const bootNic = { "run/triton/boot-nic": "ens3 10.77.0.41/255.255.255.0\n" };
    const line = "triton: network ens3 10.77.0.41/255.255.255.0 from the kernel argument ip=";
    assert.match(await outcome({ shell, files: bootNic }), line);

    const dhcp = { ...bootNic, "proc/cmdline": "boot=live triton.dhcp-all-nics\n" };
    assert.not.match(await outcome({ shell, files: dhcp }), "from the kernel argument ip=");

    const json = await readFile(join(tables, "full.json"), "utf8");
    const configured = { "run/triton/boot-nic": "admin0 10.77.0.41/24\n", "etc/triton-networking.json": json };
    assert.not.match(await outcome({ shell, files: configured }), "from the kernel argument ip=");
  });
}

test("without stored answers, jq itself gives the output in full.txt", async () => {
  const json = await readFile(join(tables, "full.json"), "utf8");
  const actual = await outcome({ shell: shells[0], files: { "etc/triton-networking.json": json }, programs: {} });
  assert.fixture(actual, await readFile(join(tables, "full.txt"), "utf8"));
});

test.run();

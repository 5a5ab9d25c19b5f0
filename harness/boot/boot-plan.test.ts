import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
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

test("a plan takes MAC and hostname from networking.json, and keeps booter's order of kernel arguments", async () => {
  const { mac, kernelArguments, rootPassword, until } = await plan({
    networkingPath: fixture("networking.json"),
    nodeConfigPath: fixture("node.config"),
    append: ["noimport=true", "x=1"],
  });
  assert.is(mac, "52:54:00:99:00:38");
  assert.equal(kernelArguments, [
    "hostname=cn-38",
    "rabbitmq=guest:guest:10.99.99.20:5672",
    "noimport=true",
    "x=1",
    "admin_nic=52:54:00:99:00:38",
  ]);
  assert.is(rootPassword, "livelab-fixture");
  assert.is(until, "login");
});

test("a networking.json of another CN causes a warning and is used", async () => {
  const { warnings, networking } = await plan({
    networkingPath: fixture("networking.json"),
    mac: "52:54:00:00:00:01",
  });
  assert.ok(networking);
  assert.match(warnings.map(({ problem }) => problem).join(), "no vnic has the MAC 52:54:00:00:00:01");
});

test("an admin netmask that leaves no address for a headnode causes a warning, and the file is used", async () => {
  await using dir = await TempDir.create("boot-plan");
  const networkingPath = join(dir.path, "networking.json");
  const text = await readFile(fixture("networking.json"), "utf8");
  for (const [netmask, isWarned] of [
    ["255.255.255.0", false],
    ["255.255.255.255", true],
  ] as const) {
    await writeFile(networkingPath, text.replaceAll("255.255.255.0", netmask));
    const { warnings, networking } = await plan({ networkingPath });
    assert.is(networking?.adminVnic?.netmask, netmask);
    const problems = warnings.map(({ problem }) => problem).join();
    assert.is(problems.includes(`netmask ${netmask} leaves no address for a headnode`), isWarned, problems);
  }
});

test("an admin vnic with a group MAC or a multicast address does not stop the boot, which uses the default MAC", async () => {
  await using dir = await TempDir.create("boot-plan");
  const networkingPath = join(dir.path, "networking.json");
  const text = await readFile(fixture("networking.json"), "utf8");
  for (const [usable, broken, place] of [
    ["52:54:00:99:00:38", "53:54:00:99:00:39", "vnics[0].mac"],
    ["10.99.99.38", "224.0.0.5", "vnics[0].ip"],
  ] as const) {
    await writeFile(networkingPath, text.replaceAll(usable, broken));
    const { mac, networking, warnings } = await plan({ networkingPath });
    assert.equal([mac, networking?.adminVnic], ["52:54:00:99:00:38", undefined], place);
    assert.ok(warnings.some((warning) => warning.file === networkingPath && warning.place === place));
  }
});

test("each invalid option is rejected with a message that quotes it", async () => {
  const cases: [Partial<BootOptions>, string][] = [
    [{ medium: "floppy" }, 'usage UNKNOWN_MEDIUM: "floppy" is not one of ipxe, iso, iso-disk, usb'],
    [{ firmware: "efi" }, 'usage UNKNOWN_FIRMWARE: "efi" is not one of bios, uefi'],
    [{ transport: "ftp" }, 'usage UNKNOWN_TRANSPORT: "ftp" is not one of http, booter, tftp'],
    [{ medium: "iso" }, "usage MEDIUM_MISSING: "],
    [{ medium: "usb", networkingPath: "/x" }, "usage NOT_FOR_MEDIUM: networking.json comes from the headnode"],
    [{ medium: "iso", nodeConfigPath: "/x" }, "usage NOT_FOR_MEDIUM: node.config comes from the headnode"],
    [{ medium: "iso", append: ["noimport=true"] }, "usage NOT_FOR_MEDIUM: a kernel argument comes from the headnode"],
    [{ medium: "iso", chain: true }, "usage NOT_FOR_MEDIUM: a chain of boot loaders comes from the headnode"],
    [{ medium: "iso", transport: "tftp" }, "usage NOT_FOR_MEDIUM: a transport comes from the headnode"],
    [{ firmware: "uefi", transport: "http" }, "usage NO_SUCH_WAY: transport http does not work with UEFI"],
    [
      { chain: true, transport: "http" },
      "usage NO_SUCH_WAY: transport http does not work with a chain of boot loaders",
    ],
    [{ chain: true }, "usage LOADERS_UNKNOWN: "],
    [{ until: "networkd" }, "usage MILESTONE_OFF_WAY: this boot does not pass the milestone networkd"],
    [{ until: "loader-fetch" }, "usage MILESTONE_OFF_WAY: this boot does not pass the milestone loader-fetch"],
    [{ until: "loggin" }, 'usage UNKNOWN_MILESTONE: there is no milestone "loggin"'],
    [{ until: "pivot", run: ["true"] }, "usage RUN_NEEDS_LOGIN: "],
    [{ uuid: "1234" }, "usage BAD_UUID: 1234 is not a UUID"],
    [{ mac: "53:54:00:00:00:01" }, "usage BAD_MAC: 53:54:00:00:00:01 is not the MAC address of a NIC"],
    [{ mac: "00:00:00:00:00:00" }, "usage BAD_MAC: 00:00:00:00:00:00 is not the MAC address of a NIC"],
    [
      { networkingPath: fixture("networking.json"), nicTags: ["mgmt"] },
      "usage BAD_NIC_TAG: --nic-tag is for a CN without networking.json, and ",
    ],
    [{ bootModules: ["a=/x", "b=/x", "a=/y"] }, "usage BAD_BOOT_MODULE: the boot module a is given twice"],
    [{ bootModules: ["a=/nonexistent"] }, "usage BOOT_MODULE_UNREADABLE: cannot read the boot module a: "],
    [{ bootModules: ["a=/dev/null"] }, "usage BOOT_MODULE_UNREADABLE: the boot module a is empty: /dev/null"],
    [{ dhcpResolvers: ["10.99.99.11"] }, "usage NO_DHCP: --dhcp-resolver has no effect with transport http"],
    [{ dhcpGateway: "10.99.99.1" }, "usage NO_DHCP: --dhcp-gateway has no effect with transport http"],
    [{ append: ["a\nb"] }, 'usage BAD_APPEND: "a\\nb" cannot be a kernel argument'],
    [{ disks: ["/nonexistent"] }, "usage DISK_UNREADABLE: cannot use the disk /nonexistent"],
    [{ networkingPath: "/nonexistent" }, "usage NETWORKING_UNREADABLE: "],
  ];
  for (const [options, expected] of cases) {
    const said = await refusal(options);
    assert.ok(said.startsWith(expected), `${said} should begin with ${expected}`);
  }
});

test("a boot uses the image's own medium, and of several the one with the image's stamp", async () => {
  await using dir = await TempDir.create("boot-plan");
  const image = join(dir.path, "20260102T030405Z");
  await mkdir(image);
  for (const name of ["vmlinuz", "initrd", "filesystem.squashfs"]) await writeFile(join(image, name), name);
  for (const name of ["a.iso", "triton-20260102T030405Z.iso", "x.usb.gz"]) await writeFile(join(image, name), name);
  const mediumOf = async (medium: string) => (await plan({ imageDir: image, medium })).medium;
  assert.equal(await mediumOf("iso"), { kind: "iso", path: join(image, "triton-20260102T030405Z.iso") });
  assert.equal(await mediumOf("iso-disk"), { kind: "iso-disk", path: join(image, "triton-20260102T030405Z.iso") });
  assert.equal(await mediumOf("usb"), { kind: "usb", path: join(image, "x.usb.gz") });
});

test("only a boot that loads iPXE from a file looks for the loaders, and it uses booter's transport", async () => {
  const findLoaders = async () => "/loaders";
  const never = () => assert.unreachable() as never;
  const mediumOf = async (options: Partial<BootOptions>) => (await plan(options)).medium;
  assert.equal(await mediumOf({ findLoaders: never }), { kind: "ipxe", transport: "http", loaderDir: undefined });
  assert.equal(await mediumOf({ findLoaders: never, transport: "tftp" }), {
    kind: "ipxe",
    transport: "tftp",
    loaderDir: undefined,
  });
  const chained = { kind: "ipxe", transport: "booter", loaderDir: "/loaders" };
  assert.equal(await mediumOf({ findLoaders, chain: true }), chained);
  assert.equal(await mediumOf({ findLoaders, firmware: "uefi" }), chained);
});

test("--run needs a root password that livelab knows, or an image without one", async () => {
  await using dir = await TempDir.create("boot-plan");
  const nodeConfigPath = join(dir.path, "node.config");
  await writeFile(nodeConfigPath, "root_shadow='$6$x$y'\n");
  const said = await refusal({ nodeConfigPath, run: ["true"] });
  assert.match(said, "usage PASSWORD_UNKNOWN: ");
  assert.match(said, nodeConfigPath);
  assert.is((await plan({ nodeConfigPath })).rootPassword, undefined);
  await plan({ nodeConfigPath: fixture("node.config.no-root-shadow"), run: ["true"] });
});

test("a command line that Linux would cut off is rejected before the boot, for BIOS and UEFI", async () => {
  const networkingPath = fixture("networking.json");
  const findLoaders = async () => "/loaders";
  /** Length of the longest argument that a boot with this firmware accepts. */
  const roomOf = async (firmware: string): Promise<number> => {
    let [fits, tooLong] = [2, 2048];
    while (tooLong - fits > 1) {
      const length = Math.floor((fits + tooLong) / 2);
      const said = await refusal({ networkingPath, append: [`x=${"a".repeat(length - 2)}`], firmware, findLoaders });
      if (said.startsWith("usage COMMAND_LINE_TOO_LONG")) tooLong = length;
      else fits = length;
    }
    return fits;
  };
  const bios = await roomOf("bios");
  assert.ok(bios > 1500 && bios < 2000, String(bios));
  assert.is(await roomOf("uefi"), bios - "vmlinuz ".length);
});

test("an argument that collides with booter's own causes a warning", async () => {
  const { warnings } = await plan({ networkingPath: fixture("networking.json"), append: ["ip=dhcp", "noimport=true"] });
  assert.equal(
    warnings.flatMap(({ file }) => (file.startsWith("--append") ? file : [])),
    ["--append ip=dhcp"],
  );
});

test("a boot module in a folder that the image's initrd lacks causes a warning, and is served", async () => {
  await using dir = await TempDir.create("boot-plan");
  const file = join(dir.path, "x.conf");
  await writeFile(file, "x");
  const paths = ["x.conf", "etc/modprobe.d/x.conf", "opt/custom/x.conf"];
  const { warnings, bootModules } = await plan({ bootModules: paths.map((path) => `${path}=${file}`) });
  assert.equal(bootModules.map(({ path }) => path), paths); // biome-ignore format: one claim
  assert.equal(
    warnings.flatMap(({ file, problem }) => (file.startsWith("--boot-module") ? [[file, problem]] : [])),
    [["--boot-module opt/custom/x.conf", "the CN gets it only if its initrd has the folder /etc/triton-opt/custom"]],
  );
});

test("a disk's format is detected from its first bytes", async () => {
  await using dir = await TempDir.create("boot-plan");
  const [raw, qcow2] = [join(dir.path, "raw"), join(dir.path, "qcow2")];
  await writeFile(raw, Buffer.alloc(512));
  await writeFile(qcow2, Buffer.from("QFI\xfb", "latin1"));
  assert.equal(
    (await plan({ disks: [raw, qcow2] })).disks.map(({ format }) => format),
    ["raw", "qcow2"],
  );
});

test("a disk in an unsupported format is rejected, attached at power-on or plugged in later", async () => {
  await using dir = await TempDir.create("boot-plan");
  const path = join(dir.path, "disk.vmdk");
  await writeFile(path, Buffer.concat([Buffer.from("KDMV"), Buffer.alloc(508)]));
  const expected = `usage DISK_UNUSABLE: cannot use the disk ${path}: it is a VMware disk (vmdk)`;
  assert.is(await refusal({ disks: [path] }), expected);
  assert.is(await refusal({ plugs: [{ path, when: /x/ }] }), expected);
});

test("a warning names the backing files of a disk that is an overlay", async () => {
  await using dir = await TempDir.create("boot-plan");
  const [base, path] = [join(dir.path, "base"), join(dir.path, "overlay")];
  await writeFile(base, Buffer.alloc(512));
  const header = Buffer.alloc(1024);
  header.write("QFI\xfb\0\0\0\x02\0\0\0\0\0\0\x02\0\0\0\0\x04", "latin1");
  header.write("base", 512);
  await writeFile(path, header);
  const { warnings, disks } = await plan({ disks: [path] });
  assert.equal(disks, [{ path, format: "qcow2" }]);
  assert.equal(
    warnings.filter(({ file }) => file === path).map(({ file, problem }) => [file, problem]),
    [[path, `is an overlay; the data that it does not hold comes from ${base}`]],
  );
});

test.run();

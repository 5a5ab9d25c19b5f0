import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MachineSpec } from "../machine-spec.js";
import { VmError } from "../vm-error.js";
import { qemuArgv } from "./qemu-argv.js";

const test = suite("qemu-argv");

const spec: MachineSpec = {
  name: "cn",
  accelerator: "tcg",
  cpus: 2,
  memoryMib: 1024,
  uuid: "12345678-9abc-4def-8123-456789abcdef",
  boot: { kind: "network" },
  disks: [],
  nics: [
    {
      mac: "52:54:00:99:00:38",
      network: { kind: "user", net: "10.99.99.0/24", host: "10.99.99.7", dhcpStart: "10.99.99.38" },
    },
  ],
  serial: ["null", "pty"],
};

const argvOf = (changes: Partial<MachineSpec> = {}): readonly string[] =>
  qemuArgv({ ...spec, ...changes }, { workDir: "/work", control: { descriptor: 3 } });

/** All values of a flag, in order. */
const valuesOf = (argv: readonly string[], flag: string): readonly (string | undefined)[] =>
  argv.flatMap((word, index) => (word === flag ? [argv[index + 1]] : []));

test("QEMU adds no default devices and reads no configuration files", () => {
  const argv = argvOf();
  assert.ok(argv.includes("-nodefaults"));
  assert.ok(argv.includes("-no-user-config"));
});

test("only emulated machines do without MSI-X, also for devices that are plugged in later", () => {
  const globals = ["blk", "net", "rng", "serial"].map((kind) => `virtio-${kind}-pci.vectors=0`);
  assert.equal(valuesOf(argvOf({ accelerator: "tcg" }), "-global"), globals);
  assert.equal(valuesOf(argvOf({ accelerator: "kvm" }), "-global"), []);
});

test("a machine starts paused and ends paused", () => {
  const argv = argvOf();
  assert.ok(argv.includes("-S"));
  assert.equal(valuesOf(argv, "-action"), ["reboot=shutdown,shutdown=pause,panic=pause"]);
});

test("emulation shows a processor without AVX and with AES, and uses several threads", () => {
  assert.equal(valuesOf(argvOf(), "-accel"), ["tcg,thread=multi"]);
  assert.equal(valuesOf(argvOf(), "-cpu"), ["Nehalem,aes=on,pclmulqdq=on"]);
});

test("a guest under KVM gets the host's processor", () => {
  assert.equal(valuesOf(argvOf({ accelerator: "kvm" }), "-accel"), ["kvm"]);
  assert.equal(valuesOf(argvOf({ accelerator: "kvm" }), "-cpu"), ["host"]);
});

test("emulation shows the processor that a spec names, and KVM ignores it", () => {
  assert.equal(valuesOf(argvOf({ processor: "EPYC,+svm" }), "-cpu"), ["EPYC,+svm"]);
  assert.equal(valuesOf(argvOf({ processor: "EPYC,+svm", accelerator: "kvm" }), "-cpu"), ["host"]);
});

test("a network boot uses only the first NIC, and each NIC is on the network of its spec", () => {
  const second = { mac: "52:54:00:99:00:39", model: "e1000", network: { ...spec.nics[0]?.network } } as const;
  const argv = argvOf({ nics: [...spec.nics, second as MachineSpec["nics"][number]] });
  assert.equal(valuesOf(argv, "-netdev"), [
    "user,id=net0,net=10.99.99.0/24,host=10.99.99.7,dhcpstart=10.99.99.38",
    "user,id=net1,net=10.99.99.0/24,host=10.99.99.7,dhcpstart=10.99.99.38",
  ]);
  const devices = valuesOf(argv, "-device");
  assert.ok(devices.includes("virtio-net-pci,netdev=net0,mac=52:54:00:99:00:38,bootindex=0"));
  assert.ok(devices.includes("e1000,netdev=net1,mac=52:54:00:99:00:39"));
});

test("a user network gets the boot file and the DNS address", () => {
  const network = {
    kind: "user" as const,
    net: "10.99.99.0/24",
    host: "10.99.99.7",
    dhcpStart: "10.99.99.38",
    dns: "10.99.99.11",
    bootfile: "boot.ipxe.01525400990038",
  };
  assert.equal(valuesOf(argvOf({ nics: [{ mac: "52:54:00:99:00:38", network }] }), "-netdev"), [
    "user,id=net0,net=10.99.99.0/24,host=10.99.99.7,dhcpstart=10.99.99.38,dns=10.99.99.11," +
      "bootfile=boot.ipxe.01525400990038",
  ]);
});

test("a kernel boot passes the kernel, its initrd and its arguments", () => {
  const boot = { kind: "kernel", kernelPath: "/k", initrdPath: "/i", append: "a=1 b,c" } as const;
  const argv = argvOf({ boot, nics: [] });
  assert.equal(valuesOf(argv, "-kernel"), ["/k"]);
  assert.equal(valuesOf(argv, "-initrd"), ["/i"]);
  assert.equal(valuesOf(argv, "-append"), ["a=1 b,c"]);
});

test("a disk boot uses only the first disk", () => {
  const disks = [
    { path: "/a", format: "raw", readOnly: true },
    { path: "/b", format: "qcow2", serial: "zones" },
  ] as const;
  const argv = argvOf({ boot: { kind: "disk" }, disks, nics: [] });
  assert.equal(valuesOf(argv, "-blockdev"), [
    "driver=raw,read-only=on,discard=unmap,file.driver=file,file.filename=/a,node-name=disk0",
    "driver=qcow2,read-only=off,discard=unmap,file.driver=file,file.filename=/b,node-name=disk1",
  ]);
  const devices = valuesOf(argv, "-device");
  assert.ok(devices.includes("virtio-blk-pci,drive=disk0,bootindex=0"));
  assert.ok(devices.includes("virtio-blk-pci,drive=disk1,serial=zones,werror=stop"));
});

test("an ISO boots only from a CD drive, and a USB stick only from a USB controller", () => {
  const iso = argvOf({ boot: { kind: "cdrom", isoPath: "/a,b.iso" } });
  assert.ok(
    valuesOf(iso, "-blockdev").includes(
      "driver=raw,read-only=on,discard=unmap,file.driver=file,file.filename=/a,,b.iso,node-name=cdrom",
    ),
  );
  const usb = argvOf({ boot: { kind: "usb", imagePath: "/stick" } });
  assert.ok(
    valuesOf(usb, "-blockdev").includes(
      "driver=raw,read-only=off,discard=unmap,file.driver=file,file.filename=/stick,node-name=usb",
    ),
  );
  const bootable = (argv: readonly string[]) =>
    valuesOf(argv, "-device").filter((device) => device?.includes("bootindex"));
  assert.equal(bootable(iso), ["ide-cd,bus=ide.0,drive=cdrom,bootindex=0"]);
  assert.equal(bootable(usb), ["usb-storage,bus=xhci.0,drive=usb,removable=on,bootindex=0"]);
  assert.ok(valuesOf(usb, "-device").includes("qemu-xhci,id=xhci"));
});

test("a UEFI machine has two flash chips, its variables in the work folder, and a NIC without an option ROM", () => {
  const firmware = { kind: "uefi", codePath: "/ovmf/code", varsTemplatePath: "/ovmf/vars" } as const;
  const argv = argvOf({ firmware });
  assert.equal(valuesOf(argv, "-machine"), ["q35,graphics=off,pflash0=uefi-code,pflash1=uefi-vars"]);
  assert.equal(valuesOf(argv, "-blockdev"), [
    "driver=raw,read-only=on,file.driver=file,file.filename=/ovmf/code,node-name=uefi-code",
    "driver=raw,read-only=off,file.driver=file,file.filename=/work/uefi-vars.fd,node-name=uefi-vars",
  ]);
  assert.ok(
    valuesOf(argv, "-device").includes("virtio-net-pci,netdev=net0,mac=52:54:00:99:00:38,romfile=,bootindex=0"),
  );
  assert.equal(valuesOf(argvOf(), "-machine"), ["q35,graphics=off"]);
});

test("a NIC on a socket is connected as a stream, and a virtio NIC gets the full duplex that LACP needs", () => {
  const network = { kind: "stream", socketPath: "/run,x/port1" } as const;
  const mac = "52:54:00:99:00:38";
  const argv = argvOf({
    nics: [
      { mac, network },
      { mac: "52:54:00:99:00:39", model: "e1000e", network },
    ],
  });
  const stream = "server=off,addr.type=unix,addr.path=/run,,x/port1";
  assert.equal(valuesOf(argv, "-netdev"), [`stream,id=net0,${stream}`, `stream,id=net1,${stream}`]);
  const devices = valuesOf(argv, "-device");
  assert.ok(devices.includes(`virtio-net-pci,netdev=net0,mac=${mac},speed=10000,duplex=full,bootindex=0`));
  assert.ok(devices.includes("e1000e,netdev=net1,mac=52:54:00:99:00:39"));
});

test("a relay connects its user network and its socket with its own hub", () => {
  const network = spec.nics[0]?.network;
  assert.ok(network?.kind === "user");
  const stream = (socketPath: string) => ({ kind: "stream", socketPath }) as const;
  const argv = argvOf({
    relays: [
      { network, stream: stream("/a") },
      { network, stream: stream("/b") },
    ],
  });
  const user = "net=10.99.99.0/24,host=10.99.99.7,dhcpstart=10.99.99.38";
  assert.equal(valuesOf(argv, "-netdev").slice(1), [
    `user,id=relay0user,${user}`,
    "stream,id=relay0stream,server=off,addr.type=unix,addr.path=/a",
    "hubport,id=relay0userport,hubid=0,netdev=relay0user",
    "hubport,id=relay0streamport,hubid=0,netdev=relay0stream",
    `user,id=relay1user,${user}`,
    "stream,id=relay1stream,server=off,addr.type=unix,addr.path=/b",
    "hubport,id=relay1userport,hubid=1,netdev=relay1user",
    "hubport,id=relay1streamport,hubid=1,netdev=relay1stream",
  ]);
});

test("a socket path that is too long for the kernel is refused with its length", () => {
  const network = { kind: "stream", socketPath: `/${"x".repeat(107)}` } as const;
  assert.throws(
    () => argvOf({ nics: [{ mac: "52:54:00:99:00:38", network }] }),
    /the socket path of a network has 108 bytes/,
  );
});

test("a comma in a path is doubled, so that QEMU does not split the option there", () => {
  const nic = {
    mac: "52:54:00:99:00:38",
    network: {
      kind: "user" as const,
      net: "10.0.2.0/24",
      host: "10.0.2.2",
      dhcpStart: "10.0.2.15",
      bootfile: "b,x",
    },
  };
  const argv = qemuArgv(
    { ...spec, disks: [{ path: "/d,x", format: "raw" }], nics: [nic] },
    { workDir: "/w,x", control: { descriptor: 3 } },
  );
  const all = argv.join(" ");
  for (const doubled of ["b,,x", "/d,,x", "/w,,x/ttyS1.log"]) assert.ok(all.includes(doubled), doubled);
});

test("a folder becomes a read-only disk", () => {
  const disks = [{ format: "folder", path: "/seed,x", label: "CIDATA" }] as const;
  const argv = argvOf({ disks });
  assert.equal(valuesOf(argv, "-blockdev"), ["driver=vvfat,dir=/seed,,x,label=CIDATA,read-only=on,node-name=disk0"]);
  assert.ok(valuesOf(argv, "-device").includes("virtio-blk-pci,drive=disk0"));
});

test("a machine with virtio-serial ports has a bus with room for all, and a machine without ports has no bus", () => {
  const isBus = (device: string | undefined) => device?.startsWith("virtio-serial-pci") ?? false;
  assert.not(valuesOf(argvOf(), "-device").some(isBus));
  const ports = [
    { name: "org.livelab.ssh", socketPath: "/run,x/ssh" },
    { name: "org.livelab.other", socketPath: "/run/other" },
  ];
  const argv = argvOf({ ports });
  assert.equal(valuesOf(argv, "-device").filter(isBus), ["virtio-serial-pci,max_ports=3"]);
  assert.ok(valuesOf(argv, "-chardev").includes("socket,id=port0,path=/run,,x/ssh,server=on,wait=off"));
  assert.ok(valuesOf(argv, "-device").includes("virtserialport,chardev=port1,name=org.livelab.other"));
});

test("firmware files are passed through fw_cfg", () => {
  const firmwareFiles = [{ name: "opt/org.livelab/host_key", path: "/keys,x/host" }] as const;
  assert.equal(valuesOf(argvOf({ firmwareFiles }), "-fw_cfg"), ["name=opt/org.livelab/host_key,file=/keys,,x/host"]);
});

test("shared folders are read-only 9p devices, each with its own tag", () => {
  const sharedFolders = [
    { path: "/", tag: "host" },
    { path: "/a,b", tag: "odd" },
  ];
  const argv = argvOf({ sharedFolders });
  assert.equal(valuesOf(argv, "-fsdev"), [
    "local,id=share0,path=/,security_model=none,readonly=on,multidevs=remap",
    "local,id=share1,path=/a,,b,security_model=none,readonly=on,multidevs=remap",
  ]);
  assert.equal(
    valuesOf(argv, "-device").filter((device) => device?.startsWith("virtio-9p")),
    ["virtio-9p-pci,fsdev=share0,mount_tag=host", "virtio-9p-pci,fsdev=share1,mount_tag=odd"],
  );
  assert.equal(valuesOf(argvOf(), "-fsdev"), []);
});

test("QEMU waits for a guest's state only if one is given", () => {
  const paths = { workDir: "/work", control: { descriptor: 3 } };
  assert.equal(valuesOf(qemuArgv(spec, paths), "-incoming"), []);
  assert.equal(valuesOf(qemuArgv(spec, { ...paths, incoming: "defer" }), "-incoming"), ["defer"]);
});

test("every serial port has a log, and only a port of kind pty has a pty", () => {
  const argv = argvOf();
  assert.equal(
    valuesOf(argv, "-chardev").filter((chardev) => chardev?.includes("ttyS")),
    ["null,id=ttyS0,logfile=/work/ttyS0.log,logappend=off", "pty,id=ttyS1,logfile=/work/ttyS1.log,logappend=off"],
  );
  assert.equal(valuesOf(argv, "-serial"), ["chardev:ttyS0", "chardev:ttyS1"]);
});

for (const [what, changes] of [
  ["a network boot without a NIC", { nics: [] }],
  ["a disk boot without a disk", { boot: { kind: "disk" } }],
  ["more serial ports than a PC has", { serial: ["null", "null", "null", "null", "pty"] }],
  ["a socket path that is too long for its address", { ports: [{ name: "p", socketPath: `/${"ü".repeat(54)}` }] }],
] as const satisfies readonly (readonly [string, Partial<MachineSpec>])[]) {
  test(`qemuArgv refuses ${what}`, () => {
    assert.throws(
      () => argvOf(changes),
      (error: unknown) => error instanceof VmError && error.code === "BAD_SPEC",
    );
  });
}

test.run();

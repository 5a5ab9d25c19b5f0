/**
 * Converts the description of a machine to QEMU's arguments. The functions are pure: they read no files and start nothing.
 * Source: QEMU docs/system/invocation; DESIGN D6 and section 7 for the measured choices.
 */
import { join } from "node:path";
import { LONGEST_SOCKET_PATH } from "../../base/socket-path.js";
import type {
  BootSource,
  FirmwareFile,
  FirmwareSpec,
  MachineSpec,
  PortSpec,
  SerialSpec,
  SharedFolder,
} from "../machine-spec.js";
import { VmError } from "../vm-error.js";
import { optionValue } from "./option-value.js";
import { bootMediumArgs, diskArgs, diskSlotArgs } from "./qemu-drive-args.js";
import { nicArgs, relayArgs } from "./qemu-network-args.js";

export interface QemuPaths {
  /** Folder for the logs of the serial lines and UEFI's variables. */
  readonly workDir: string;
  /**
   * How QEMU is controlled: by QMP on an inherited descriptor, or by a user at a monitor on its terminal.
   */
  readonly control: { readonly descriptor: number } | "terminal";
  /** Source of the guest's state: a migration URI, or "defer" for a URI that is sent later. @default the guest boots */
  readonly incoming?: string | undefined;
}

/**
 * The arguments, without the program. The machine starts paused, so that no output of the guest is missed.
 * It also ends paused: on shutdown, reset or panic QEMU stops the guest, sends an event and waits for the command quit,
 * because data that is still in a pty is lost when QEMU ends.
 * @throws VmError BAD_SPEC
 */
export function qemuArgv(spec: MachineSpec, paths: QemuPaths): readonly string[] {
  rejectContradictions(spec);
  // biome-ignore format: a flag and its value share a line
  return [
    "-nodefaults", "-no-user-config",
    // The name that ps and top show: livelab's own QEMU is started through its loader, which they would show otherwise.
    "-name", `guest=${optionValue(`livelab-${spec.name}`)},process=qemu-system-x86`,
    ...firmwareArgs(spec.firmware ?? { kind: "bios" }, paths.workDir),
    ...processorArgs(spec),
    ...(spec.accelerator === "tcg" ? WITHOUT_MSIX : []),
    "-m", `${spec.memoryMib}M`,
    "-uuid", spec.uuid,
    "-display", "none",
    "-action", "reboot=shutdown,shutdown=pause,panic=pause",
    "-S",
    ...(paths.incoming === undefined ? [] : ["-incoming", paths.incoming]),
    ...controlArgs(paths),
    ...spec.serial.flatMap((serial, index) => serialArgs(serial, index, paths.workDir)),
    ...bootArgs(spec.boot),
    ...bootMediumArgs(spec.boot),
    ...spec.disks.flatMap((disk, index) => diskArgs(disk, index, spec.boot)),
    ...diskSlotArgs(spec.freeDiskSlots ?? 0),
    ...spec.nics.flatMap((nic, index) => nicArgs(nic, index, spec)),
    ...(spec.relays ?? []).flatMap(relayArgs),
    "-object", "rng-random,id=rng0,filename=/dev/urandom",
    "-device", "virtio-rng-pci,rng=rng0",
    "-device", "pvpanic",
    ...portArgs(spec.ports ?? []),
    ...(spec.firmwareFiles ?? []).flatMap(firmwareFileArgs),
    ...(spec.sharedFolders ?? []).flatMap(sharedFolderArgs),
  ];
}

/**
 * Gives virtio devices one interrupt line each in place of MSI-X. With several emulated processors on a busy host, QEMU 10
 * rarely ends while the guest's kernel writes their MSI-X tables (msix_table_mmio_write: assertion failed; 2 of some 200 boots).
 */
const WITHOUT_MSIX: readonly string[] = ["blk", "net", "rng", "serial"].flatMap((kind) => [
  "-global",
  `virtio-${kind}-pci.vectors=0`,
]);

function rejectContradictions(spec: MachineSpec): void {
  const refuse = (why: string) => {
    throw new VmError("BAD_SPEC", `machine ${spec.name}: ${why}`);
  };
  if (spec.boot.kind === "network" && spec.nics.length === 0) refuse("boots from the network but has no NIC");
  if (spec.boot.kind === "disk" && spec.disks.length === 0) refuse("boots from a disk but has no disk");
  if (spec.serial.length > 4) refuse(`has ${spec.serial.length} serial ports; a PC has at most 4`);
  const streams = [...spec.nics.map(({ network }) => network), ...(spec.relays ?? []).map(({ stream }) => stream)];
  for (const { what, socketPath } of [
    ...(spec.ports ?? []).map(({ name, socketPath }) => ({ what: `port ${name}`, socketPath })),
    ...streams.flatMap((each) => (each.kind === "stream" ? [{ what: "a network", socketPath: each.socketPath }] : [])),
  ]) {
    const length = Buffer.byteLength(socketPath);
    if (length > LONGEST_SOCKET_PATH)
      refuse(`the socket path of ${what} has ${length} bytes, the limit is ${LONGEST_SOCKET_PATH}: ${socketPath}`);
  }
}

/** The file with a UEFI machine's variables, which persist from boot to boot. */
export const uefiVarsPath = (workDir: string): string => join(workDir, "uefi-vars.fd");

function firmwareArgs(firmware: FirmwareSpec, workDir: string): readonly string[] {
  // With graphics=off SeaBIOS sends the output of the firmware and of iPXE to ttyS0. OVMF always writes there.
  const machine = "q35,graphics=off";
  switch (firmware.kind) {
    case "bios":
      return ["-machine", machine];
    case "uefi": {
      const flash = (node: string, path: string, readOnly: "on" | "off"): readonly string[] => [
        "-blockdev",
        `driver=raw,read-only=${readOnly},file.driver=file,file.filename=${optionValue(path)},node-name=${node}`,
      ];
      return [
        ...flash("uefi-code", firmware.codePath, "on"),
        ...flash("uefi-vars", uefiVarsPath(workDir), "off"),
        ...["-machine", `${machine},pflash0=uefi-code,pflash1=uefi-vars`],
      ];
    }
    default:
      return firmware satisfies never;
  }
}

/**
 * QEMU emulates a model without AVX faster than `max` (measured: 14 s, not 17 s). AES instructions, for which QEMU has helper
 * functions, make SSH three times as fast (measured).
 */
const TCG_PROCESSOR = "Nehalem,aes=on,pclmulqdq=on";

function processorArgs({ accelerator, cpus, processor = TCG_PROCESSOR }: MachineSpec): readonly string[] {
  switch (accelerator) {
    case "kvm":
      return ["-accel", "kvm", "-cpu", "host", "-smp", `${cpus}`];
    case "tcg":
      return ["-accel", "tcg,thread=multi", "-cpu", processor, "-smp", `${cpus}`];
    default:
      return accelerator satisfies never;
  }
}

function controlArgs({ control }: QemuPaths): readonly string[] {
  if (control === "terminal") return ["-chardev", "stdio,id=control", "-mon", "chardev=control,mode=readline"];
  return ["-chardev", `socket,id=control,fd=${control.descriptor}`, "-mon", "chardev=control,mode=control"];
}

function serialArgs(serial: SerialSpec, index: number, workDir: string): readonly string[] {
  const id = `ttyS${index}`;
  const log = optionValue(join(workDir, `${id}.log`));
  return ["-chardev", `${serial},id=${id},logfile=${log},logappend=off`, "-serial", `chardev:${id}`];
}

function bootArgs(boot: BootSource): readonly string[] {
  // With strict=on the firmware tries only the devices with a bootindex.
  if (boot.kind !== "kernel") return ["-boot", "strict=on"];
  return [
    ...["-kernel", boot.kernelPath],
    ...(boot.initrdPath === undefined ? [] : ["-initrd", boot.initrdPath]),
    ...["-append", boot.append],
  ];
}

function portArgs(ports: readonly PortSpec[]): readonly string[] {
  if (ports.length === 0) return [];
  return [
    // Port 0 is reserved for a console.
    ...["-device", `virtio-serial-pci,max_ports=${ports.length + 1}`],
    ...ports.flatMap(({ name, socketPath }, index) => [
      ...["-chardev", `socket,id=port${index},path=${optionValue(socketPath)},server=on,wait=off`],
      ...["-device", `virtserialport,chardev=port${index},name=${optionValue(name)}`],
    ]),
  ];
}

const firmwareFileArgs = ({ name, path }: FirmwareFile): readonly string[] => [
  ...["-fw_cfg", `name=${optionValue(name)},file=${optionValue(path)}`],
];

/** multidevs=remap gives the files of several host mounts different inode numbers. Source: QEMU docs, "-fsdev local". */
const sharedFolderArgs = ({ path, tag }: SharedFolder, index: number): readonly string[] => [
  ...["-fsdev", `local,id=share${index},path=${optionValue(path)},security_model=none,readonly=on,multidevs=remap`],
  ...["-device", `virtio-9p-pci,fsdev=share${index},mount_tag=${optionValue(tag)}`],
];

/**
 * QEMU's arguments for the block devices of a machine: disks, and the boot medium.
 * Source: QEMU qapi/block-core.json ("BlockdevOptions"); docs/system/devices/usb; docs/bootindex.txt.
 */
import type { BootSource, DiskSpec, FolderDiskSpec } from "../machine-spec.js";
import { optionValue } from "./option-value.js";

/** The arguments of one disk. @param index number of the disk; its node and drive are named disk<index> */
export function diskArgs(disk: DiskSpec | FolderDiskSpec, index: number, boot: BootSource): readonly string[] {
  const id = `disk${index}`;
  const device = [
    "virtio-blk-pci",
    `drive=${id}`,
    ...(disk.format === "folder" || disk.serial === undefined ? [] : [`serial=${optionValue(disk.serial)}`]),
    // Every failed write on the host stops the guest and is reported. QEMU's default does that only for a full disk.
    ...(disk.format === "folder" || disk.readOnly ? [] : ["werror=stop"]),
    ...(boot.kind === "disk" && index === 0 ? ["bootindex=0"] : []),
  ];
  return ["-blockdev", [...backendOptions(disk), `node-name=${id}`].join(","), "-device", device.join(",")];
}

/** Name of the PCIe slot for the disk that is plugged in as the `index`-th. */
export const diskSlotName = (index: number): string => `slot${index}`;

/** A root port for each slot: q35's root bus itself does not support hot-plug (QEMU docs/pcie.txt, "Hot-plug"). */
export const diskSlotArgs = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `pcie-root-port,id=${diskSlotName(index)},chassis=${index + 1}`).flatMap(
    (device) => ["-device", device],
  );

/** The arguments of the boot medium, if that is neither a disk of the machine nor a NIC. */
export function bootMediumArgs(boot: BootSource): readonly string[] {
  switch (boot.kind) {
    case "cdrom":
      return [
        ...[
          "-blockdev",
          [...backendOptions({ path: boot.isoPath, format: "raw", readOnly: true }), "node-name=cdrom"].join(","),
        ],
        ...["-device", "ide-cd,bus=ide.0,drive=cdrom,bootindex=0"],
      ];
    case "usb":
      // A USB controller and a stick: SeaBIOS, OVMF and Linux find the stick through USB, as on hardware.
      return [
        ...["-blockdev", [...backendOptions({ path: boot.imagePath, format: "raw" }), "node-name=usb"].join(",")],
        ...["-device", "qemu-xhci,id=xhci"],
        ...["-device", "usb-storage,bus=xhci.0,drive=usb,removable=on,bootindex=0"],
      ];
    default:
      return [];
  }
}

function backendOptions(disk: DiskSpec | FolderDiskSpec): readonly string[] {
  switch (disk.format) {
    case "folder":
      return ["driver=vvfat", `dir=${optionValue(disk.path)}`, `label=${optionValue(disk.label)}`, "read-only=on"];
    case "raw":
    case "qcow2":
      return [
        `driver=${disk.format}`,
        `read-only=${disk.readOnly ? "on" : "off"}`,
        // The node of the file inherits this option: a guest's trim makes holes in the file.
        "discard=unmap",
        "file.driver=file",
        `file.filename=${optionValue(disk.path)}`,
      ];
    default:
      return disk satisfies never;
  }
}

/**
 * What a machine consists of, as plain values.
 * Not here: how QEMU is told (qemu-argv.ts), how it is run (machine.ts).
 */

export type Accelerator = "kvm" | "tcg";

export interface MachineSpec {
  /** A short name for logs and for `ps`. */
  readonly name: string;
  readonly accelerator: Accelerator;
  /**
   * The processor that emulation shows: a CPU model of QEMU with features, e.g. "EPYC,+svm". KVM shows the host's.
   * @default a model that is emulated fast
   */
  readonly processor?: string | undefined;
  /** Number of virtual CPUs. */
  readonly cpus: number;
  /** Guest memory in MiB. */
  readonly memoryMib: number;
  /** The system UUID (SMBIOS type 1), from which the guest derives its identity. */
  readonly uuid: string;
  /** @default BIOS */
  readonly firmware?: FirmwareSpec | undefined;
  readonly boot: BootSource;
  readonly disks: readonly (DiskSpec | FolderDiskSpec)[];
  /** How many disks can be plugged in while it runs (RunningMachine.plugDisk). @default 0 */
  readonly freeDiskSlots?: number | undefined;
  /** In the order in which the guest finds them. */
  readonly nics: readonly NicSpec[];
  /** Networks that reach NICs only by way of whoever listens on their sockets. @default none */
  readonly relays?: readonly RelaySpec[] | undefined;
  /**
   * The serial ports in order: the first is ttyS0. At most four, as a PC has.
   * `pty` can be attached to; `null` goes nowhere. What the guest sends on either is kept in `<workDir>/ttyS<n>.log`.
   * Firmware and iPXE write to ttyS0 as well.
   */
  readonly serial: readonly SerialSpec[];
  /** Virtio-serial ports, besides the serial lines. @default none */
  readonly ports?: readonly PortSpec[] | undefined;
  /** Files that the guest reads without a disk. @default none */
  readonly firmwareFiles?: readonly FirmwareFile[] | undefined;
  /** Folders of the host that the guest can mount. @default none */
  readonly sharedFolders?: readonly SharedFolder[] | undefined;
}

/**
 * A byte stream between the guest and whoever connects to a unix socket, one peer at a time. QEMU listens from its start
 * to its end; the guest finds the port by its name (/sys/class/virtio-ports/<port>/name) and opens it once.
 */
export interface PortSpec {
  /** E.g. "org.livelab.ssh". */
  readonly name: string;
  /** A path that is free, of at most 107 bytes (unix(7)). Only its folder's rights keep others from connecting. */
  readonly socketPath: string;
}

/** A file of the host; the guest reads it at /sys/firmware/qemu_fw_cfg/by_name/<name>/raw (Linux: qemu_fw_cfg). */
export interface FirmwareFile {
  /** At most 55 characters (QEMU docs/specs/fw_cfg). */
  readonly name: `opt/${string}`;
  readonly path: string;
}

/**
 * A folder of the host with all that is mounted below it, read-only; owners and modes are the host's. The guest sees
 * what QEMU's user may read, and mounts it with `mount -t 9p -o trans=virtio,ro <tag> <folder>`.
 */
export interface SharedFolder {
  readonly path: string;
  /** The name by which the guest mounts it, at most 31 characters. */
  readonly tag: string;
}

export type SerialSpec = "pty" | "null";

export type FirmwareSpec =
  /** SeaBIOS, which QEMU brings along. */
  | { readonly kind: "bios" }
  /** OVMF in two flash chips: the program, and the variables, of which each machine gets a copy in its work folder. */
  | { readonly kind: "uefi"; readonly codePath: string; readonly varsTemplatePath: string };

/** Where the first program of the guest comes from. The firmware tries this and nothing else. */
export type BootSource =
  /** The first NIC's PXE: of BIOS that is QEMU's iPXE ROM, of UEFI the firmware's own. DHCP names the boot file. */
  | { readonly kind: "network" }
  /** The first disk: its boot sector, or its EFI system partition. */
  | { readonly kind: "disk" }
  /** An ISO image in a SATA drive. */
  | { readonly kind: "cdrom"; readonly isoPath: string }
  /** A raw disk image as a USB stick, which the guest may write to. */
  | { readonly kind: "usb"; readonly imagePath: string }
  /** A kernel handed to the firmware. */
  | {
      readonly kind: "kernel";
      readonly kernelPath: string;
      readonly initrdPath?: string | undefined;
      /** The kernel's arguments. */
      readonly append: string;
    };

/** A disk that is a file. What the guest discards becomes a hole of the file. */
export interface DiskSpec {
  /**
   * A file that exists. Machines may share it as long as all of them have it read-only; QEMU's locks refuse the rest.
   */
  readonly path: string;
  readonly format: "raw" | "qcow2";
  /** @default false */
  readonly readOnly?: boolean | undefined;
  /** What the guest sees as the disk's serial number (/dev/disk/by-id/virtio-…), at most 20 characters. */
  readonly serial?: string | undefined;
}

/**
 * A folder shown as a read-only disk with one FAT16 partition, as it is when the machine starts: QEMU's vvfat driver.
 * For a few small files, with names that FAT can hold.
 */
export interface FolderDiskSpec {
  readonly format: "folder";
  readonly path: string;
  /** The volume's label, at most 11 characters, e.g. "CIDATA". */
  readonly label: string;
}

export interface NicSpec {
  /** Lower case, with colons. */
  readonly mac: string;
  /** A QEMU device. @default "virtio-net-pci" */
  readonly model?: string | undefined;
  readonly network: UserNetworkSpec | StreamNetworkSpec;
}

/**
 * The other end of the NIC's cable is a unix socket, to which QEMU connects as it starts: whoever listens there sends
 * and gets Ethernet frames, each behind its length as a 32-bit big-endian number.
 * Source: QEMU net/stream.c, which QEMU has from 7.2 on.
 */
export interface StreamNetworkSpec {
  readonly kind: "stream";
  /** Somebody listens there already. Of at most 107 bytes (unix(7)). */
  readonly socketPath: string;
}

/** A user network without a NIC: its cable ends at a socket, as a NIC's may. */
export interface RelaySpec {
  readonly network: UserNetworkSpec;
  readonly stream: StreamNetworkSpec;
}

/**
 * QEMU's user-mode network: it needs no privilege, and has a DHCP of its own. IPv4 only.
 * The host's address reaches the host's loopback, with ports unchanged.
 */
export interface UserNetworkSpec {
  readonly kind: "user";
  /** The subnet in CIDR form, e.g. "10.99.99.0/24". */
  readonly net: string;
  /** The host's address in it, which is also the gateway and the DHCP server. */
  readonly host: string;
  /** The first address that DHCP hands out. */
  readonly dhcpStart: string;
  /** Address of the DNS relay. @default the third address of the subnet */
  readonly dns?: string | undefined;
  /** The boot file named by DHCP: a URL. */
  readonly bootfile?: string | undefined;
  /** Nothing of the guest leaves the network. @default false */
  readonly isolated?: boolean | undefined;
}

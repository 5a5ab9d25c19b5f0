/**
 * The description of a machine, as plain values. qemu/qemu-argv.ts converts it to QEMU's arguments, machine.ts runs it.
 */

export type Accelerator = "kvm" | "tcg";

export interface MachineSpec {
  /** A short name for logs and for `ps`. */
  readonly name: string;
  readonly accelerator: Accelerator;
  /**
   * The emulated processor: a CPU model of QEMU with features, e.g. "EPYC,+svm". KVM always shows the host's processor.
   * @default a model that QEMU emulates fast
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
  /** Number of disks that can be plugged in while the machine runs (RunningMachine.plugDisk). @default 0 */
  readonly freeDiskSlots?: number | undefined;
  /** The NICs, in the order in which the guest finds them. */
  readonly nics: readonly NicSpec[];
  /** Networks that reach NICs only through the process that listens on their sockets. @default none */
  readonly relays?: readonly RelaySpec[] | undefined;
  /**
   * The serial ports in order: the first is ttyS0. A PC has at most four.
   * Other programs can attach to `pty`; `null` is not connected. `<workDir>/ttyS<n>.log` records the output of both.
   * Firmware and iPXE also write to ttyS0.
   */
  readonly serial: readonly SerialSpec[];
  /** Virtio-serial ports, in addition to the serial ports. @default none */
  readonly ports?: readonly PortSpec[] | undefined;
  /** Files that the guest can read without a disk. @default none */
  readonly firmwareFiles?: readonly FirmwareFile[] | undefined;
  /** Folders of the host that the guest can mount. @default none */
  readonly sharedFolders?: readonly SharedFolder[] | undefined;
}

/**
 * A byte stream between the guest and a peer that connects to a unix socket, one peer at a time. QEMU listens from its start
 * to its end. The guest finds the port by its name (/sys/class/virtio-ports/<port>/name) and opens it once.
 */
export interface PortSpec {
  /** E.g. "org.livelab.ssh". */
  readonly name: string;
  /** An unused path of at most 107 bytes (unix(7)). Only the permissions of its folder keep other users from connecting. */
  readonly socketPath: string;
}

/** A file of the host. The guest reads it at /sys/firmware/qemu_fw_cfg/by_name/<name>/raw (Linux: qemu_fw_cfg). */
export interface FirmwareFile {
  /** At most 55 characters (QEMU docs/specs/fw_cfg). */
  readonly name: `opt/${string}`;
  readonly path: string;
}

/**
 * A folder of the host and all file systems mounted below it, read-only, with the host's owners and modes. The guest sees the
 * files that QEMU's user may read, and mounts the folder with `mount -t 9p -o trans=virtio,ro <tag> <folder>`.
 */
export interface SharedFolder {
  readonly path: string;
  /** The name by which the guest mounts it, at most 31 characters. */
  readonly tag: string;
}

export type SerialSpec = "pty" | "null";

export type FirmwareSpec =
  /** SeaBIOS, which is part of QEMU. */
  | { readonly kind: "bios" }
  /** OVMF in two flash chips: the code, and the variables. Each machine gets a copy of the variables in its work folder. */
  | { readonly kind: "uefi"; readonly codePath: string; readonly varsTemplatePath: string };

/** The source of the guest's first program. The firmware tries no other source. */
export type BootSource =
  /** PXE of the first NIC: QEMU's iPXE ROM with BIOS, the firmware's own PXE with UEFI. DHCP names the boot file. */
  | { readonly kind: "network" }
  /** The first disk: its boot sector, or its EFI system partition. */
  | { readonly kind: "disk" }
  /** An ISO image in a SATA drive. */
  | { readonly kind: "cdrom"; readonly isoPath: string }
  /** A raw disk image as a USB stick, which the guest may write to. */
  | { readonly kind: "usb"; readonly imagePath: string }
  /** A kernel that QEMU passes to the firmware. */
  | {
      readonly kind: "kernel";
      readonly kernelPath: string;
      readonly initrdPath?: string | undefined;
      /** The kernel's arguments. */
      readonly append: string;
    };

/** A disk that is a file. Blocks that the guest discards become holes in the file. */
export interface DiskSpec {
  /**
   * An existing file. Machines may share it only if all of them use it read-only; QEMU's locks refuse anything else.
   */
  readonly path: string;
  readonly format: "raw" | "qcow2";
  /** @default false */
  readonly readOnly?: boolean | undefined;
  /** The disk's serial number in the guest (/dev/disk/by-id/virtio-…), at most 20 characters. */
  readonly serial?: string | undefined;
}

/**
 * A folder as a read-only disk with one FAT16 partition, in its state at the start of the machine (QEMU's vvfat driver).
 * It is for a few small files, with names that FAT supports.
 */
export interface FolderDiskSpec {
  readonly format: "folder";
  readonly path: string;
  /** The volume's label, at most 11 characters, e.g. "CIDATA". */
  readonly label: string;
}

export interface NicSpec {
  /** The MAC address in lower case, with colons. */
  readonly mac: string;
  /** A QEMU device. @default "virtio-net-pci" */
  readonly model?: string | undefined;
  readonly network: UserNetworkSpec | StreamNetworkSpec;
}

/**
 * The NIC is connected to a unix socket. QEMU connects to the socket at its start; the listener sends and receives Ethernet
 * frames, each preceded by its length as a 32-bit big-endian number.
 * Source: QEMU net/stream.c, available since QEMU 7.2.
 */
export interface StreamNetworkSpec {
  readonly kind: "stream";
  /** A path of at most 107 bytes (unix(7)). A process must listen there before QEMU starts. */
  readonly socketPath: string;
}

/** A user network that is connected to a socket instead of a NIC. */
export interface RelaySpec {
  readonly network: UserNetworkSpec;
  readonly stream: StreamNetworkSpec;
}

/**
 * QEMU's user-mode network: it needs no privileges and has its own DHCP server. IPv4 only.
 * Connections to the host's address reach the host's loopback, with the same port.
 */
export interface UserNetworkSpec {
  readonly kind: "user";
  /** The subnet in CIDR form, e.g. "10.99.99.0/24". */
  readonly net: string;
  /** The host's address in the subnet. It is also the gateway and the DHCP server. */
  readonly host: string;
  /** The first address that DHCP assigns. */
  readonly dhcpStart: string;
  /** Address of the DNS relay. @default the third address of the subnet */
  readonly dns?: string | undefined;
  /** The boot file that DHCP names, a URL. */
  readonly bootfile?: string | undefined;
  /** Whether QEMU blocks all traffic of the guest to other networks. @default false */
  readonly isolated?: boolean | undefined;
}

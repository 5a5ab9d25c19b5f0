/**
 * The hardware of a builder VM, and the keys with which livelab and the guest authenticate each other.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { memoryBytes, processors } from "../../../base/host-capacity.js";
import type { AcceleratorVerdict } from "../../../vm/accelerator/accelerator.js";
import type { Accelerator, DiskSpec, MachineSpec } from "../../../vm/machine-spec.js";
import { generateSshKeyPair, type SshConnectOptions } from "../../channel/ssh-connection.js";
import { SSHD_CONFIG } from "../../channel/sshd-config.js";
import type { VmBase } from "./vm-base.js";

export interface VmParts {
  readonly base: VmBase;
  /** Path of the pool's disk, raw. No other process may use it while the machine runs. */
  readonly disk: string;
  readonly verdict: AcceleratorVerdict;
}

export interface GuestHardware {
  /** A short name for logs and for `ps`. */
  readonly name: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly disks: readonly DiskSpec[];
  readonly accelerator: Accelerator;
}

/** Limits of the guest memory in MiB. All writes to the root are in it, e.g. while ZFS is compiled. */
const MEMORY_MIB = { most: 4096, least: 1536 };
const PORT = "org.livelab.ssh";
/** The third disk, through which files are copied to the host. */
export const OUTBOX_INSIDE = "/dev/vdc";

/** The files of one machine. */
export interface VmPaths {
  /** Folder that makeVmKeys() filled. */
  readonly keys: string;
  /** Path of the unix socket on which QEMU listens for the SSH connection. */
  readonly socket: string;
  /** Path of a raw disk of OUTBOX_BYTES. */
  readonly outbox: string;
}

/** Memory of a builder VM in MiB. @param hostBytes all memory that livelab may use */
export const builderMemoryMib = (hostBytes: number): number =>
  Math.max(MEMORY_MIB.least, Math.min(MEMORY_MIB.most, Math.floor(hostBytes / 2 ** 21)));

/** The hardware of a machine that serves SSH. */
export function guestSpec(
  { name, kernel, initrd, disks, accelerator }: GuestHardware,
  { keys, socket }: Pick<VmPaths, "keys" | "socket">,
): MachineSpec {
  return {
    name,
    accelerator,
    cpus: processors(),
    memoryMib: builderMemoryMib(memoryBytes()),
    uuid: "00000000-0000-4000-8000-000000000002",
    boot: {
      kind: "kernel",
      kernelPath: kernel,
      initrdPath: initrd,
      // norandmaps: QEMU translates a program's code again if an exec loads it at another address. Under emulation a
      // hundred execs took 4.3 s with random addresses and 0.5 s without (QEMU 7.2).
      append: "console=ttyS0 quiet panic=-1 mitigations=off norandmaps",
    },
    disks,
    nics: [],
    serial: ["null"],
    ports: [{ name: PORT, socketPath: socket }],
    firmwareFiles: ["host_key", "authorized_keys", "sshd_config"].map((file) => ({
      name: `opt/org.livelab/${file}`,
      path: join(keys, file),
    })),
  };
}

/** The hardware of a builder VM. */
export const vmSpec = ({ base, disk, verdict }: VmParts, paths: VmPaths): MachineSpec =>
  guestSpec(
    {
      name: "builder",
      kernel: base.kernel,
      initrd: base.initrd,
      disks: [
        { path: base.root, format: "raw", readOnly: true },
        { path: disk, format: "raw" },
        { path: paths.outbox, format: "raw" },
      ],
      accelerator: verdict.accelerator,
    },
    paths,
  );

/** Makes the keys of one machine, and of the machines that are restored from its saved state. */
export async function makeVmKeys(folder: string): Promise<void> {
  const host = generateSshKeyPair();
  const client = generateSshKeyPair();
  for (const [file, text] of [
    ["host_key", host.privateKey],
    ["host_key.pub", host.publicKey],
    ["client_key", client.privateKey],
    ["authorized_keys", `${client.publicKey}\n`],
    ["sshd_config", SSHD_CONFIG],
  ] as const) {
    await writeFile(join(folder, file), text, { mode: 0o600 });
  }
}

/** Reads the SSH options from a folder that makeVmKeys() filled. */
export async function readVmKeys(
  folder: string,
): Promise<Pick<SshConnectOptions, "username" | "privateKey" | "hostKey">> {
  return {
    username: "root",
    privateKey: await readFile(join(folder, "client_key"), "utf8"),
    hostKey: await readFile(join(folder, "host_key.pub"), "utf8"),
  };
}

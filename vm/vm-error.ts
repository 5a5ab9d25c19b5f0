/**
 * What can go wrong between livelab and a machine it runs.
 * Not here: what a guest under test did wrong (harness), which is an expectation that failed.
 */
import { type FailureKind, LivelabError, type LivelabErrorOptions } from "../base/livelab-error.js";

/** Each cause, and whose matter it is. */
const kinds = {
  /** qemu-system-x86_64 is not installed. */
  QEMU_NOT_FOUND: "host",
  /** setpriv of util-linux is not installed, or cannot be started. */
  SETPRIV_NOT_FOUND: "host",
  /** QEMU ended before it could be spoken to; the message quotes what it wrote. */
  EXITED_EARLY: "host",
  /** QEMU has no iPXE ROM for the network card. */
  ROM_NOT_FOUND: "host",
  /** OVMF, the firmware for UEFI machines, is not installed. */
  UEFI_NOT_FOUND: "host",
  /** No pseudo terminal could be made. */
  PTY_UNAVAILABLE: "host",
  /** KVM was asked for and cannot run a guest. */
  KVM_UNUSABLE: "host",
  /** KVM failed under a guest that ran, or QEMU ended or hung at its start under KVM. */
  KVM_FAILED: "host",
  /** QEMU starts, but does not run a machine, not even an emulated one. */
  QEMU_BROKEN: "host",
  /** The description of the machine contradicts itself. */
  BAD_SPEC: "internal",
  /** The machine was described with fewer free slots than disks are plugged in. */
  NO_FREE_SLOT: "internal",
  /** QEMU did not speak or answer in time. */
  QMP_TIMEOUT: "host",
  /** QEMU ended the conversation. */
  QMP_CLOSED: "internal",
  /** QEMU refused a command. */
  QMP_ERROR: "internal",
  /** QEMU said something that is not QMP. */
  QMP_MALFORMED: "host",
  /** The machine has no serial line of that name, or keeps it to itself. */
  NO_SUCH_LINE: "internal",
  /** The serial device exists no more, or may not be opened. */
  LINE_NOT_OPENED: "host",
  /** The far side of a serial line is gone. */
  LINE_CLOSED: "internal",
  /** The guest did not offer its port in time; the message quotes what it sent last. */
  GUEST_SILENT: "host",
  /** The machine ended, or its port's socket is not there. */
  PORT_CLOSED: "internal",
  /** The guest's state could not be written; as a rule the disk is full. */
  STATE_NOT_SAVED: "host",
  /** A saved state did not load: cut short, altered, or of another machine. */
  STATE_REJECTED: "internal",
  /** There is a file already where a disk image should come to be. */
  DISK_EXISTS: "internal",
  /** The file that a disk image should lie on is missing or cannot be read as what it should be. */
  BACKING_UNUSABLE: "host",
  /** A disk image could not be written; as a rule the disk is full. */
  DISK_NOT_MADE: "host",
  /** A cloud image does not boot, or has no cloud-init that could make it serve SSH. */
  IMAGE_UNFIT: "inputs",
  /** QEMU outlived SIGKILL. */
  STILL_RUNNING: "host",
} as const satisfies Record<string, FailureKind>;

export type VmErrorCode = keyof typeof kinds;

export class VmError extends LivelabError {
  override readonly name = "VmError";
  override readonly code: VmErrorCode;

  constructor(code: VmErrorCode, message: string, options: LivelabErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }

  override get kind(): FailureKind {
    return kinds[this.code];
  }
}

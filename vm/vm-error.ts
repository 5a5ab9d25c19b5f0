/**
 * Errors between livelab and a machine that it runs. Faults of a guest under test are errors of the harness:
 * an expectation that failed.
 */
import { type FailureKind, LivelabError, type LivelabErrorOptions } from "../base/livelab-error.js";

/** Each error code, with the kind that says where the fault lies. */
const kinds = {
  /** qemu-system-x86_64 is not installed. */
  QEMU_NOT_FOUND: "host",
  QEMU_TOO_OLD: "host",
  /** setpriv of util-linux is not installed, or cannot be started. */
  SETPRIV_NOT_FOUND: "host",
  /** QEMU ended before the QMP session started. The message quotes its output. */
  EXITED_EARLY: "host",
  /** QEMU has no iPXE ROM for the network card. */
  ROM_NOT_FOUND: "host",
  /** OVMF, the firmware for UEFI machines, is not installed. */
  UEFI_NOT_FOUND: "host",
  /** QEMU could not create a pseudo terminal. */
  PTY_UNAVAILABLE: "host",
  /** KVM was requested and cannot run a guest. */
  KVM_UNUSABLE: "host",
  /** KVM failed under a running guest, or QEMU ended or hung at its start under KVM. */
  KVM_FAILED: "host",
  /** QEMU starts, but cannot run a machine, not even an emulated one. */
  QEMU_BROKEN: "host",
  /** The description of the machine contradicts itself. */
  BAD_SPEC: "internal",
  /** The description of the machine has too few free slots for the disks to plug in. */
  NO_FREE_SLOT: "internal",
  /** QEMU sent no greeting or no answer in time. */
  QMP_TIMEOUT: "host",
  /** QEMU closed the QMP channel. */
  QMP_CLOSED: "internal",
  /** QEMU refused a command. */
  QMP_ERROR: "internal",
  /** QEMU sent data that is not QMP. */
  QMP_MALFORMED: "host",
  /** The machine has no serial line of that name, or the line is not a pty. */
  NO_SUCH_LINE: "internal",
  /** The serial device does not exist, or cannot be opened. */
  LINE_NOT_OPENED: "host",
  /** The far side of a serial line is gone. */
  LINE_CLOSED: "internal",
  /** The guest did not serve its port in time. The message quotes its last output. */
  GUEST_SILENT: "host",
  /** The machine ended, or the socket of its port does not exist. */
  PORT_CLOSED: "internal",
  /** The guest's state could not be written, usually because the disk is full. */
  STATE_NOT_SAVED: "host",
  /** A saved state did not load: it is truncated, changed, or of another machine. */
  STATE_REJECTED: "internal",
  /** The path of a new disk image is already in use. */
  DISK_EXISTS: "internal",
  /** The backing file of a disk image is missing, or does not have the expected format. */
  BACKING_UNUSABLE: "host",
  /** A disk image could not be written, usually because the disk is full. */
  DISK_NOT_MADE: "host",
  /** A cloud image does not boot, or has no cloud-init to start SSH. */
  IMAGE_UNFIT: "inputs",
  /** QEMU did not end after SIGKILL. */
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

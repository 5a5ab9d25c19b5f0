/**
 * Errors of the builder: inputs that differ from the lock, stages that fail, machines that do not start.
 * Errors of the command line are UsageError, those of QEMU are in vm/vm-error.ts.
 */
import { formatDuration } from "../base/format.js";
import { type FailureKind, LivelabError, type LivelabErrorOptions } from "../base/livelab-error.js";

export type InputErrorCode =
  /** A lock, profile or index file is not well-formed. */
  | "MALFORMED"
  /** A lock or profile does not exist, or a set is not in it. */
  | "NOT_FOUND"
  /** The relations of a lock set cannot be satisfied from the set itself. */
  | "UNSATISFIED"
  /** Bytes do not have the locked digest. */
  | "WRONG_DIGEST"
  /** No source serves the file. */
  | "UNAVAILABLE"
  /** No source is configured. */
  | "NO_MIRROR"
  /** The store's file system is full. */
  | "DISK_FULL"
  /** The store cannot be read or written. */
  | "STORE"
  /** A file that the lock names is not in the store. */
  | "NOT_IN_STORE"
  /** A bundle is truncated, altered or made for another lock. */
  | "BAD_BUNDLE"
  /** A stage requested a file from the gateway that the lock does not name, or that is missing or damaged. */
  | "REFUSED"
  /** Files of the checkout lost their line ends, links or executable bits when they were cloned or unpacked. */
  | "BAD_CHECKOUT"
  /** Recomputing the lock failed: apt, gpgv or the machine it ran in. */
  | "UPDATE_FAILED";

/** The inputs of a build failed: digest, mirror, lock, store (exit 4). */
export class InputError extends LivelabError {
  override readonly name = "InputError";
  override readonly kind = "inputs";
  readonly code: InputErrorCode;

  constructor(code: InputErrorCode, message: string, options: LivelabErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}

export type StageErrorCode =
  /** The stage's script ended with a status other than 0. */
  | "STAGE_FAILED"
  /** The stage did not end within its limit. */
  | "STAGE_TIMEOUT"
  /** The disk of the builder machine or of the host was full. */
  | "STAGE_DISK_FULL"
  /** The files of the stage changed while it ran. */
  | "INPUTS_CHANGED"
  /** The stage left a file that it must not leave, or did not make one that it must make. */
  | "STAGE_OUTPUT";

/** A stage of the build failed (exit 5). */
export class StageError extends LivelabError {
  override readonly name = "StageError";
  override readonly kind = "stage";
  readonly code: StageErrorCode;

  constructor(code: StageErrorCode, message: string, options: LivelabErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}

/** Kind of each code of BuilderError; it decides the command's exit status. */
const builderErrorKinds = {
  /** The host has no user namespaces, or forbids them. */
  NO_NAMESPACES: "host",
  /** A folder or file cannot be written. */
  NOT_WRITABLE: "host",
  /** Programs in LIVELAB_HOME cannot be started. */
  NO_EXEC: "host",
  /** The path of LIVELAB_HOME has a character with which the dynamic loader finds no libraries. */
  BAD_HOME_PATH: "host",
  /** The host has no flock program, or the file system of a folder supports no flock(2). */
  NO_LOCKS: "host",
  /** LIVELAB_HOME is not set, and its user has no home folder. */
  NO_HOME: "host",
  /** Another user filled LIVELAB_HOME. */
  FOREIGN_HOME: "host",
  /** The host's disk is full. */
  HOST_DISK_FULL: "host",
  /** The root of the builder machine could not be made from its packages. */
  BASE_FAILED: "stage",
  /** The result of a stage of a release was removed. */
  LAYER_GONE: "host",
  /** A record in LIVELAB_HOME does not have livelab's format. */
  BAD_RECORD: "host",
  /** Another livelab process uses this release or home. */
  BUSY: "host",
  /** The builder VM's pool cannot be imported, or a command on it failed. */
  POOL_FAILED: "stage",
  /** Work in the builder machine exceeded its time limit. */
  OVERDUE: "stage",
  /** The builder machine ended while it was in use. */
  MACHINE_DIED: "stage",
} as const satisfies Record<string, FailureKind>;

export type BuilderErrorCode = keyof typeof builderErrorKinds;

/** The builder machine or the host under it (exit 3, 5 or 70, by code). */
export class BuilderError extends LivelabError {
  override readonly name = "BuilderError";
  override readonly kind: FailureKind;
  readonly code: BuilderErrorCode;

  constructor(code: BuilderErrorCode, message: string, options: LivelabErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.kind = builderErrorKinds[code];
  }
}

/** Makes the error for work that exceeded its time limit. @param what the work, e.g. "compiling the modules" */
export const overdue = (what: string, limitMs: number) => (): BuilderError =>
  new BuilderError("OVERDUE", `${what} did not end within ${formatDuration(limitMs)}`);

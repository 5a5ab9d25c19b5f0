/**
 * What can go wrong in the builder: inputs that are not what the lock says, stages that fail, machines that do not start.
 * Not here: the command line (UsageError), QEMU itself (vm/vm-error.ts).
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
  /** There is no source to ask at all. */
  | "NO_MIRROR"
  /** The store's file system has no room. */
  | "DISK_FULL"
  /** The store cannot be read or written. */
  | "STORE"
  /** A file that the lock names is not in the store. */
  | "NOT_IN_STORE"
  /** A bundle is truncated, altered or made for another lock. */
  | "BAD_BUNDLE"
  /** A stage asked the gateway for something that the lock does not name. */
  | "REFUSED"
  /** Files of the checkout lost their line ends, links or executable bits on the way here. */
  | "BAD_CHECKOUT"
  /** Recomputing the lock failed: apt, gpgv or the machine it ran in. */
  | "UPDATE_FAILED";

/** Digest, mirror, lock, store: the inputs of a build (exit 4). */
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
  /** The stage left something that it must not, or did not leave what it must. */
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

/** What each cause of a BuilderError is, and so how the command exits. */
const builderErrorKinds = {
  /** The host has no user namespaces, or forbids them. */
  NO_NAMESPACES: "host",
  /** A folder or file cannot be written. */
  NOT_WRITABLE: "host",
  /** A program that livelab runs is not in the PATH. */
  PROGRAM_MISSING: "host",
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
  /** What a stage of a release left was removed. */
  LAYER_GONE: "host",
  /** A record in LIVELAB_HOME is not what livelab writes. */
  BAD_RECORD: "host",
  /** Another livelab process works on this build. */
  BUSY: "host",
  /** The builder VM's pool cannot be imported, or does not do what it is told. */
  POOL_FAILED: "stage",
  /** Something in the builder machine took longer than it may. */
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

/** Makes the error of work that reached its limit. @param what the work, e.g. "compiling the modules" */
export const overdue = (what: string, limitMs: number) => (): BuilderError =>
  new BuilderError("OVERDUE", `${what} was not done within ${formatDuration(limitMs)}`);

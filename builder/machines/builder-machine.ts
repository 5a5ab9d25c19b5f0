/**
 * The interface of builder machines (DESIGN D5). A machine has a fresh root with the base's tools, one release at
 * /data/debian-live/<stamp>, SSH, and no network except the ports that livelab forwards.
 * The sandbox (sandbox/sandbox-stages.ts) and the VM (vm/vm-stages.ts) implement it. Callers do not need to know which one they use.
 */
import type { LivelabError } from "../../base/livelab-error.js";
import type { Step } from "../../base/progress/progress.js";
import type { SshConnection } from "../channel/ssh-connection.js";

export const machineKinds = ["sandbox", "vm"] as const;
export type MachineKind = (typeof machineKinds)[number];

/** The stamp of a machine that is started only for its tools, without a release. */
export const NO_RELEASE = "19700101T000000Z";

/** Folder of a release in a machine. */
export const releaseInside = (stamp: string): string => `/data/debian-live/${stamp}`;

/** A file that a machine copied to the host. */
export interface CopiedFile {
  /** Path relative to the copied folder. */
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 of the copied bytes, in hexadecimal. */
  readonly sha256: string;
}

export interface BuilderMachine extends AsyncDisposable {
  readonly ssh: SshConnection;
  /** Why the connection was lost, as words that follow "the machine". Call it only after the connection was lost. */
  whyLost(): Promise<string>;
  /** The error if the host ended the machine, not the stage: KVM failed. @default the host cannot end this machine */
  hostFailure?(): Promise<LivelabError | undefined>;
  /**
   * Copies the regular files of a folder in the machine and of its subfolders to an existing folder of the host.
   * @returns the copied files, in any order
   * @throws StageError STAGE_OUTPUT if they cannot be read; BuilderError MACHINE_DIED; errors of the host, e.g. ENOSPC
   */
  copyOut(folder: string, target: string, signal: AbortSignal): Promise<readonly CopiedFile[]>;
}

/** A machine for one stage. The files that the stage writes are discarded unless they are committed. */
export interface StageMachine extends BuilderMachine {
  /** Ends the machine and keeps the files that the stage wrote, under its key. */
  commit(took: StageResult): Promise<void>;
  /** Ends the machine and keeps the files that the failed stage wrote, for inspection. */
  keepFailed(): Promise<void>;
}

/** The record of a stage that succeeded. */
export interface StageResult {
  readonly stage: string;
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
}

/** The stage to run. */
export interface StagePlace {
  readonly stamp: string;
  readonly stage: string;
  readonly key: string;
  /** Keys of the stages before it, oldest first. */
  readonly below: readonly string[];
}

/** The release to show. */
export interface ReleaseView {
  readonly stamp: string;
  /** Keys of its stages, oldest first. */
  readonly stages: readonly string[];
  /** The stage that failed after these. Its files are shown if they still exist. */
  readonly failed?: string | undefined;
}

/** A release whose stages `livelab gc` keeps. */
export interface KeptRelease {
  readonly stamp: string;
  readonly machine: MachineKind;
  readonly stages: readonly { readonly key: string }[];
}

/** Starts machines of one kind, and stores the results of their stages. */
export interface BuilderMachines {
  readonly kind: MachineKind;
  /** Key of the base whose tools the stages use. It is part of the first stage's key. */
  readonly baseKey: string;
  /** Factor for time limits: how much longer work may take in the machine than at native speed. */
  readonly timeScale: number;
  /** The record of a stored stage, or undefined. */
  find(key: string): Promise<StageResult | undefined>;
  /** Prepares the base, the disks and everything else that machines need. Call it before begin() and show(). */
  ready(): Promise<void>;
  /** Starts a machine in which a stage can run on the results of the stages below it. */
  begin(place: StagePlace, step: Step): Promise<StageMachine>;
  /** Starts a machine that shows a release. Changes in it are discarded. */
  show(view: ReleaseView): Promise<BuilderMachine>;
  /** Removes results that no kept release needs. No other process may use the home. @returns number of removed results */
  collectGarbage(kept: readonly KeptRelease[]): Promise<number>;
}

/**
 * The contract of builder machines (DESIGN D5): a root with the base's tools and nothing of the machine before it,
 * one release at /data/debian-live/<stamp>, SSH, and no network but what livelab forwards.
 * Two keep it: the sandbox (sandbox-stages.ts) and the VM (vm-stages.ts). Who uses them need not know which it is.
 */
import type { LivelabError } from "../../base/livelab-error.js";
import type { Step } from "../../base/progress/progress.js";
import type { SshConnection } from "../channel/ssh-connection.js";

export const machineKinds = ["sandbox", "vm"] as const;
export type MachineKind = (typeof machineKinds)[number];

/** Stands for no release where a machine is wanted for its tools alone. */
export const NO_RELEASE = "19700101T000000Z";

/** Folder of a release in a machine. */
export const releaseInside = (stamp: string): string => `/data/debian-live/${stamp}`;

export interface BuilderMachine extends AsyncDisposable {
  readonly ssh: SshConnection;
  /** Why the connection was lost, in words that follow "the machine": to be asked after it was. */
  whyLost(): Promise<string>;
  /** The error, where the host ended the machine and not the stage: KVM failed under it. @default it cannot */
  hostFailure?(): Promise<LivelabError | undefined>;
  /**
   * Copies the regular files of a folder in the machine, and of those below it, to a folder of the host that is there.
   * @throws StageError STAGE_OUTPUT when they cannot be read; BuilderError MACHINE_DIED; what the host says, e.g. ENOSPC
   */
  copyOut(folder: string, target: string, signal: AbortSignal): Promise<void>;
}

/** A machine for one stage. What the stage writes is thrown away unless it is committed. */
export interface StageMachine extends BuilderMachine {
  /** Ends the machine and keeps what the stage wrote, under its key. */
  commit(took: StageResult): Promise<void>;
  /** Ends the machine and keeps what the stage wrote so far, to be looked at. */
  keepFailed(): Promise<void>;
}

/** What is known of a stage that ended well. */
export interface StageResult {
  readonly stage: string;
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
}

/** The stage that is to run. */
export interface StagePlace {
  readonly stamp: string;
  readonly stage: string;
  readonly key: string;
  /** Keys of the stages before it, oldest first. */
  readonly below: readonly string[];
}

/** The release that is to be shown. */
export interface ReleaseView {
  readonly stamp: string;
  /** Keys of its stages, oldest first. */
  readonly stages: readonly string[];
  /** The stage that failed after these: what it left is shown, if that is still there. */
  readonly failed?: string | undefined;
}

/** A release whose stages `livelab gc` leaves in place. */
export interface KeptRelease {
  readonly stamp: string;
  readonly machine: MachineKind;
  readonly stages: readonly { readonly key: string }[];
}

/** Starts machines of one kind, and keeps what stages leave in them. */
export interface BuilderMachines {
  readonly kind: MachineKind;
  /** Key of the base whose tools the stages use: part of the first stage's key. */
  readonly baseKey: string;
  /** How many times longer than at native speed work may take in it. */
  readonly timeScale: number;
  /** What is known of a stage that was run and kept, or undefined. */
  find(key: string): Promise<StageResult | undefined>;
  /** Readies base, disks and whatever else machines need. To be called before begin() and show(). */
  ready(): Promise<void>;
  /** Starts a machine in which a stage can run upon those below it. */
  begin(place: StagePlace, step: Step): Promise<StageMachine>;
  /** Starts a machine that shows a release; what is changed in it is thrown away. */
  show(view: ReleaseView): Promise<BuilderMachine>;
  /** Drops what no kept release needs. To be called while nobody else uses the home. @returns how many stages' results */
  collectGarbage(kept: readonly KeptRelease[]): Promise<number>;
}

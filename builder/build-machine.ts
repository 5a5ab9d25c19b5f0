/** Chooses the machine for the stages of a build: for a continued release its own, else the one that this host runs best. */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { release as kernelRelease } from "node:os";
import { join } from "node:path";
import { UsageError } from "../base/livelab-error.js";
import type { BuildContext } from "./build-context.js";
import { chooseMachine, type MachineChoice, type MachineRequest } from "./choose-machine.js";
import type { MachineKind } from "./machines/builder-machine.js";
import type { Release } from "./release/release.js";
import type { CloudImageSource } from "./store/cloud-image.js";

export interface BuildMachineRequest {
  /** The release to continue. @default a new one */
  readonly release?: Release | undefined;
  /** The kind that the user names. @default the VM with a cloud image, else "auto" */
  readonly machine?: "auto" | MachineKind | undefined;
  /** A named accelerator implies the VM. @default "auto" */
  readonly accelerator?: MachineRequest["accelerator"] | undefined;
  /** Cloud image in which the builder VM's root is made. */
  readonly cloudBase?: CloudImageSource | undefined;
}

/**
 * Chooses the machine, with a progress line when the user does not name it and it is the sandbox.
 * @param openBuildContext opens the profile's build context with the sandbox; not called for a continued release
 * @throws UsageError OTHER_MACHINE, BASE_WITHOUT_VM; VmError KVM_UNUSABLE
 */
export async function chooseBuildMachine(
  openBuildContext: () => Promise<BuildContext>,
  { release, machine, accelerator = "auto", cloudBase }: BuildMachineRequest = {},
): Promise<MachineKind> {
  const wanted = machine ?? (cloudBase === undefined ? undefined : "vm");
  const kind =
    release === undefined
      ? await chooseForNew(await openBuildContext(), wanted, accelerator)
      : machineOf(release, wanted);
  if (cloudBase !== undefined && kind !== "vm") {
    throw new UsageError("BASE_WITHOUT_VM", "--base is for the VM, but the stages of this build run in the sandbox", {
      hint: "make a new release with --machine vm, or leave --base out",
    });
  }
  return kind;
}

function machineOf(release: Release, wanted: "auto" | MachineKind | undefined): MachineKind {
  if (wanted === undefined || wanted === "auto" || wanted === release.machine) return release.machine;
  const message = `release ${release.stamp} was begun in the ${release.machine} and can only be continued there`;
  throw new UsageError("OTHER_MACHINE", message, { hint: `make a new release: livelab build --machine ${wanted}` });
}

async function chooseForNew(
  buildContext: BuildContext,
  wanted: "auto" | MachineKind | undefined,
  accelerator: MachineRequest["accelerator"],
): Promise<MachineKind> {
  const choice = await judgeMachines(buildContext, { preference: wanted ?? "auto", accelerator, fetch: true });
  if (choice.kind === "sandbox" && wanted !== "sandbox") {
    const line = `builder machine: sandbox (Linux namespaces); a VM would run with ${choice.reason}`;
    buildContext.options.progress.note(line);
  }
  return choice.kind;
}

/** @param fetch whether inputs may be fetched for a trial of KVM; true for builds, which need them anyway */
export const judgeMachines = (
  buildContext: BuildContext,
  { preference, accelerator, fetch }: Pick<MachineRequest, "preference" | "accelerator"> & { readonly fetch: boolean },
): Promise<MachineChoice> =>
  chooseMachine({
    preference,
    accelerator,
    stateDir: buildContext.home.root,
    findKernel: () => findKvmKernel(buildContext, fetch),
    assertSandbox: () => buildContext.assertSandbox(),
    signal: buildContext.options.signal,
  });

/** A kernel that KVM can be tried with. @param fetch see judgeMachines() */
export async function findKvmKernel(buildContext: BuildContext, fetch: boolean): Promise<string | undefined> {
  const known = [join(buildContext.options.projectRoot, "out/latest/vmlinuz"), `/boot/vmlinuz-${kernelRelease()}`];
  for (const path of known) {
    if (await isReadable(path)) return path;
  }
  return buildContext.findLockedKernel(fetch);
}

/** In /boot, kernels are often readable only by root. */
const isReadable = (path: string): Promise<boolean> =>
  access(path, constants.R_OK).then(
    () => true,
    () => false,
  );

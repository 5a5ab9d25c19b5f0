/** How long the builder VM takes from nothing to the end of a first command: booted, and from its saved state. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { silentProgress } from "../base/progress/progress.js";
import { BuilderVm } from "../builder/machines/vm/vm.js";
import { vmBaseAt } from "../builder/machines/vm/vm-base.js";
import { openToyBuildContext, TOY_STAMP } from "../fixtures/toy-stage.js";
import { decideAccelerator } from "../vm/accelerator/accelerator.js";

/** @param homeRoot a LIVELAB_HOME @param folder for files of this measurement */
export async function measureVmStarts(
  homeRoot: string,
  folder: string,
): Promise<{ readonly bootMs: number; readonly warmMs: number }> {
  const { signal } = new AbortController();
  const buildContext = await openToyBuildContext(homeRoot, { machine: "vm" });
  const { home, machines } = buildContext;
  await using gateway = buildContext.createGateway();
  await buildContext.ready(TOY_STAMP, gateway);
  const base = vmBaseAt(home, machines.baseKey);
  const verdict = await decideAccelerator({ preference: "auto", kernelPath: base.kernel, stateDir: home.root, signal });
  const options = { home, base, disk: join(home.vm, "pool.raw"), verdict, signal, progress: silentProgress };
  const time = async (vm: typeof home.vm): Promise<number> => {
    const started = performance.now();
    await using machine = await BuilderVm.start({ ...options, home: { ...home, vm } });
    await machine.ssh.exec("true");
    return performance.now() - started;
  };
  // A home without saved states.
  const empty = join(folder, "no-states");
  await mkdir(empty);
  return { bootMs: await time(empty), warmMs: await time(home.vm) };
}

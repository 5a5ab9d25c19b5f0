/** What every command of livelab uses: the project, progress, the signal to end, and access to the home. */
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { UsageError } from "../base/livelab-error.js";
import { createProgress } from "../base/progress/create-progress.js";
import type { Progress } from "../base/progress/progress.js";
import { findProjectRoot } from "../base/project-root.js";
import { findToolFile, toolFolders, useTools } from "../base/tools.js";
import { BuildContext, type BuildContextOptions } from "../builder/build-context.js";
import { type LivelabHome, openHome } from "../builder/home/home.js";
import { homeFolder } from "../builder/home/home-folder.js";
import type { MachineKind } from "../builder/machines/builder-machine.js";
import { defaultProfileName } from "../builder/profile/profiles.js";
import { proxySettingsFrom } from "../builder/store/http-get.js";

export interface CommandContext {
  /** Folder that holds package.json. */
  readonly projectRoot: string;
  /** Default folder of the outputs. */
  readonly outRoot: string;
  /** The image built last. */
  readonly latestImage: string;
  /** Goes to stderr. */
  readonly progress: Progress;
  /** Aborted when the command must end. */
  readonly signal: AbortSignal;
  /** Writes a line of the result to stdout. */
  print(text: string): void;
  /** Opens $LIVELAB_HOME when it is needed: help works without it. @throws BuilderError as homeFolder(), openHome() */
  openHome(): Promise<LivelabHome>;
  /**
   * Opens a profile's build context in $LIVELAB_HOME.
   * @param machine where stages run. @default the sandbox
   * @throws as BuildContext.open()
   */
  openBuildContext(profile: string, machine?: MachineKind, more?: MoreBuildContextOptions): Promise<BuildContext>;
  /**
   * Makes QEMU and the other locked programs ready; or uses those that $LIVELAB_TOOLS names.
   * @param forTests whether those of the tests, too. @default false
   * @throws as BuildContext.readyTools()
   */
  readyTools(forTests?: boolean): Promise<void>;
  /** Finds the folder of the iPXE that firmware loads; see MediumOptions. The tools must be ready. */
  findLoaders(): Promise<string>;
  /** The same for a part of the command, which ends when `signal` is aborted. */
  withSignal(signal: AbortSignal): CommandContext;
}

export type MoreBuildContextOptions = Pick<
  BuildContextOptions,
  "accelerator" | "cloudBase" | "compression" | "absentSets"
>;

/** @param progress @default lines on stderr, redrawn on a terminal */
export function createCommandContext(
  signal: AbortSignal,
  progress: Progress = createProgress(process.stderr, { now: Date.now, env: process.env }),
): CommandContext {
  const projectRoot = findProjectRoot();
  const outRoot = join(projectRoot, "out");
  const homeRoot = (): string => homeFolder(process.env);
  const context: CommandContext = {
    projectRoot,
    outRoot,
    latestImage: join(outRoot, "latest"),
    progress,
    signal,
    print: (text) => process.stdout.write(`${text}\n`),
    openHome: async () => openHome(homeRoot()),
    openBuildContext: async (profile, machine = "sandbox", more = {}) =>
      BuildContext.open({
        homeRoot: homeRoot(),
        projectRoot,
        profile,
        machine,
        ...more,
        mirror: process.env["LIVELAB_MIRROR"],
        proxy: proxySettingsFrom(process.env),
        asRoot: process.getuid?.() === 0,
        progress,
        signal,
      }),
    readyTools: async (forTests = false) => {
      const given = toolFolders().map((folder) => resolve(folder));
      if (given.length > 0) return useTools(await assertFolders(given));
      await (await context.openBuildContext(defaultProfileName)).readyTools(forTests);
    },
    findLoaders: async () => {
      const folder = await findToolFile("lib/ipxe");
      if (folder !== undefined) return folder;
      throw new UsageError("NO_LOADERS", "the folders in LIVELAB_TOOLS have no iPXE", {
        hint: "unset LIVELAB_TOOLS, so that livelab unpacks its own programs",
      });
    },
    withSignal: (other) => createCommandContext(other, progress),
  };
  return context;
}

/** @throws UsageError BAD_TOOLS */
async function assertFolders(folders: readonly string[]): Promise<readonly string[]> {
  for (const folder of folders) {
    if ((await stat(folder).catch(() => undefined))?.isDirectory()) continue;
    throw new UsageError("BAD_TOOLS", `LIVELAB_TOOLS names ${folder}, which is not a folder that this user may see`, {
      hint: "correct LIVELAB_TOOLS, or unset it: livelab then unpacks its own programs",
    });
  }
  return folders;
}

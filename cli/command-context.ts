/** What every command of livelab uses: the project, progress, the signal to end, and access to the home. */
import { join } from "node:path";
import { createProgress } from "../base/progress/create-progress.js";
import type { Progress } from "../base/progress/progress.js";
import { findProjectRoot } from "../base/project-root.js";
import { BuildContext, type BuildContextOptions } from "../builder/build-context.js";
import { type LivelabHome, openHome } from "../builder/home/home.js";
import { homeFolder } from "../builder/home/home-folder.js";
import { readyIpxeLoaders } from "../builder/ipxe-loaders.js";
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
  /** Provides the folder of the iPXE that firmware loads; see MediumOptions. It is prepared once. */
  findLoaders(): Promise<string>;
}

export type MoreBuildContextOptions = Pick<
  BuildContextOptions,
  "accelerator" | "cloudBase" | "compression" | "absentSets"
>;

export function createCommandContext(signal: AbortSignal): CommandContext {
  const projectRoot = findProjectRoot();
  const outRoot = join(projectRoot, "out");
  const progress = createProgress(process.stderr, { now: Date.now, env: process.env });
  const homeRoot = (): string => homeFolder(process.env);
  let loaders: Promise<string> | undefined;
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
    findLoaders: () => {
      loaders ??= context.openBuildContext(defaultProfileName).then(readyIpxeLoaders);
      return loaders;
    },
  };
  return context;
}

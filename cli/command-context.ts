/** What one run of livelab has, whichever command it is: the project, progress, the signal to end, and ways into the home. */
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
  /** Folder of the outputs, unless the user names another. */
  readonly outRoot: string;
  /** The image that was built last. */
  readonly latestImage: string;
  /** Goes to stderr. */
  readonly progress: Progress;
  /** Aborted when the command shall end. */
  readonly signal: AbortSignal;
  /** Writes a line of the result, to stdout. */
  print(text: string): void;
  /** Opens $LIVELAB_HOME: help and lists work for a user without one. @throws BuilderError see homeFolder(), openHome() */
  openHome(): Promise<LivelabHome>;
  /** Opens a profile's buildContext in $LIVELAB_HOME. @param machine where stages run @default the sandbox @throws as BuildContext.open() */
  openBuildContext(profile: string, machine?: MachineKind, more?: MoreBuildContextOptions): Promise<BuildContext>;
  /** Brings the folder of the iPXE that firmware loads; see MediumOptions. It is made ready once. */
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

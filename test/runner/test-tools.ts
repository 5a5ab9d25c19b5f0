/** The programs of tests: livelab's own with those of its tests (builder/tools/tools.ts), first in the PATH of every test. */
import { createCommandContext } from "../../cli/command-context.js";

/** Makes them ready in LIVELAB_HOME; or uses those that $LIVELAB_TOOLS names. @throws as CommandContext.readyTools() */
export const useTestTools = (signal: AbortSignal = new AbortController().signal): Promise<void> =>
  createCommandContext(signal).readyTools(true);

/** The programs of tests: livelab's own with those of its tests (builder/tools/tools.ts), first in the PATH of every test. */

import { toolFolders, useTools } from "../../base/tools.js";
import { defaultProfileName } from "../../builder/profile/profiles.js";
import { createCommandContext } from "../../cli/command-context.js";

/** Makes them ready in LIVELAB_HOME; or uses those that $LIVELAB_TOOLS names. @throws as readyTools() */
export async function useTestTools(signal: AbortSignal = new AbortController().signal): Promise<void> {
  const given = toolFolders();
  if (given.length > 0) return useTools(given);
  const buildContext = await createCommandContext(signal).openBuildContext(defaultProfileName);
  await buildContext.readyTools(true);
}

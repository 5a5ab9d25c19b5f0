/**
 * apt's configuration for a profile's suites when it resolves a new lock: their addresses, and the packages to use from them.
 * Sources: sources.list(5) "Options", apt_preferences(5) "Pinning by source package".
 */
import type { LockSpec } from "../profile/profiles.js";

/** The profile's suites in the format of sources.list(5). @param base address below which each archive has a folder */
export function aptSources({ suites, keyrings }: LockSpec, base: string): string {
  return suites
    .map(({ archive, distribution, components, archived }) => {
      const options = [`signed-by=${keyrings.join(",")}`, ...(archived ? ["check-valid-until=no"] : [])];
      return `deb [${options.join(" ")}] ${base}/${archive} ${distribution} ${components.join(" ")}\n`;
    })
    .join("");
}

/** Priorities in the format of apt_preferences(5): from a suite with `onlySources` apt uses only these source packages. */
export function aptPreferences({ suites }: LockSpec): string {
  return suites
    .map(({ distribution, onlySources = [] }) => {
      if (onlySources.length === 0) return "";
      const sources = onlySources.map((name) => `src:${name}`).join(" ");
      return pin("*", distribution, -1) + pin(sources, distribution, 990);
    })
    .join("");
}

const pin = (packages: string, codename: string, priority: number): string =>
  `Package: ${packages}\nPin: release n=${codename}\nPin-Priority: ${priority}\n\n`;

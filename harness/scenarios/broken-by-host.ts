/** Boots of a test run that the host ended, and what follows for the run. */
import type { ScenarioBootResult } from "./scenario-boot.js";
import type { TestReport } from "./scenario-run.js";

/** Whether the host, and not the image, kept a boot from doing what it should: KVM failed, say, or QEMU was killed. */
export const isBrokenByHost = ({ report }: Pick<ScenarioBootResult, "report">): boolean =>
  report?.verdict.outcome === "broken" && report.verdict.failure.kind === "host";

/** Whether a run is not ok for its host alone: some boots were broken by it, and all others passed. */
export function isHostsFault({ ok, scenarios }: Pick<TestReport, "ok" | "scenarios">): boolean {
  if (ok) return false;
  const others = scenarios.flatMap(({ boots }) => boots).filter((boot) => !isBrokenByHost(boot));
  const broken = scenarios.some(({ boots }) => boots.some(isBrokenByHost));
  return broken && others.every(({ claims }) => claims.every(({ outcome }) => outcome === "passed"));
}

/** Finds boots of a test run that the host broke, and runs that failed for that reason alone. */
import type { ScenarioBootResult } from "./scenario-boot.js";
import type { TestReport } from "./scenario-run.js";

/** Whether the host, and not the image, made a boot fail: KVM failed, for example, or QEMU was killed. */
export const isBrokenByHost = ({ report }: Pick<ScenarioBootResult, "report">): boolean =>
  report?.verdict.outcome === "broken" && report.verdict.failure.kind === "host";

/** Whether a run failed only because of the host: the host broke some boots, and all others passed. */
export function isHostsFault({ ok, scenarios }: Pick<TestReport, "ok" | "scenarios">): boolean {
  if (ok) return false;
  const others = scenarios.flatMap(({ boots }) => boots).filter((boot) => !isBrokenByHost(boot));
  const broken = scenarios.some(({ boots }) => boots.some(isBrokenByHost));
  return broken && others.every(({ claims }) => claims.every(({ outcome }) => outcome === "passed"));
}

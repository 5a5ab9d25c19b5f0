/** The text that `livelab compare` prints. */
import type { CompareReport, StageDifference } from "./compare.js";

const PATHS_SHOWN = 20;

export const isDifferent = ({ outputs }: CompareReport): boolean => outputs.length > 0;

export function describeComparison(report: CompareReport): string {
  const [one, two] = report.folders;
  const { stages, outputs, paths, pathsTrouble, diffoscope } = report;
  const lines = [`first: ${one}`, `second: ${two}`, ""];
  const firstStage =
    stages.find(({ first, onlyIn }) => first !== undefined || onlyIn !== undefined) ??
    stages.find(({ compared }) => !compared);
  if (!isDifferent(report)) return [...lines, "all outputs are equal"].join("\n");

  lines.push(
    firstStage === undefined
      ? "every stage had the same inputs or the same output: the build is not reproducible"
      : `first stage that differs: ${describeStage(firstStage)}`,
  );
  for (const stage of stages) if (stage !== firstStage) lines.push(`  also: ${describeStage(stage)}`);
  lines.push("", `first file that differs: ${outputs[0]?.names[0] || outputs[0]?.names[1]}`);
  for (const { names, how } of outputs) lines.push(`  ${names[0] || names[1]}: ${how}`);
  if (paths.length > 0) {
    lines.push("", `in the squashfs ${paths.length} paths differ:`);
    for (const { path, how } of paths.slice(0, PATHS_SHOWN)) lines.push(`  /${path}: ${how}`);
    if (paths.length > PATHS_SHOWN) lines.push(`  and ${paths.length - PATHS_SHOWN} more`);
  }
  if (pathsTrouble !== undefined) lines.push("", `the paths in the squashfs cannot be compared: ${pathsTrouble}`);
  if (diffoscope !== undefined) lines.push("", diffoscope);
  return lines.join("\n");
}

function describeStage({ name, onlyIn, first, compared }: StageDifference): string {
  if (onlyIn !== undefined) return `${name}, only in the ${onlyIn}`;
  if (first !== undefined)
    return `${name}, different inputs; first path of its output that differs: ${first.path} (${first.how})`;
  return compared
    ? `${name}, different inputs, same output`
    : `${name}, different inputs; its layers are not in this home, so its output cannot be compared`;
}

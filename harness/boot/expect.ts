/** Checks for claims. Each throws ExpectationFailed with what was seen instead. */
import { ExpectationFailed } from "../harness-error.js";
import type { CommandReport } from "./boot-report.js";

/** @throws ExpectationFailed WRONG_VALUE unless both have the same JSON form */
export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== should) throw new ExpectationFailed("WRONG_VALUE", `${what} is ${is}, expected ${should}`);
}

/** @throws ExpectationFailed WRONG_VALUE, with what was seen */
export function expectTrue(claim: string, isSo: boolean, seen: unknown): void {
  if (!isSo) throw new ExpectationFailed("WRONG_VALUE", `not true: ${claim}; seen: ${JSON.stringify(seen)}`);
}

/** @throws ExpectationFailed COMMAND_FAILED unless the status is 0 */
export function expectSuccess({ command, status, stdout, stderr }: CommandReport): void {
  if (status === 0) return;
  const said = (stderr.trimEnd() || stdout.trimEnd()).split("\n").at(-1);
  throw new ExpectationFailed("COMMAND_FAILED", `\`${command}\` ended with status ${status}${said ? `: ${said}` : ""}`);
}

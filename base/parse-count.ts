/** A whole number on the command line. */
import { UsageError } from "./livelab-error.js";

/**
 * @param flag the option that has the value, as written: "--jobs"
 * @param least the smallest number that counts
 * @throws UsageError BAD_COUNT
 */
export function parseCount(flag: string, text: string, least: number): number {
  if (/^\d+$/.test(text) && Number(text) >= least) return Number(text);
  throw new UsageError("BAD_COUNT", `${flag} ${JSON.stringify(text)} is not a whole number, ${least} or more`, {
    hint: `write it in digits, or leave ${flag} out`,
  });
}

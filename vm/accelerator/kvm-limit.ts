/** The time limit for a kernel's first line under KVM: $LIVELAB_KVM_LIMIT_S, for hosts with a slow KVM. */
import { UsageError } from "../../base/livelab-error.js";

const VARIABLE = "LIVELAB_KVM_LIMIT_S";
/** In milliseconds; a typical host needs 700. */
export const DEFAULT_KVM_LIMIT_MS = 6_000;

/**
 * Reads the limit.
 * @param environment variables; LIVELAB_KVM_LIMIT_S is a number of seconds. @default 6
 * @returns milliseconds
 * @throws UsageError BAD_KVM_LIMIT
 */
export function kvmLimitMs(environment: Readonly<Record<string, string | undefined>>): number {
  const text = environment[VARIABLE];
  if (text === undefined || text === "") return DEFAULT_KVM_LIMIT_MS;
  if (/^\d{1,4}$/.test(text) && Number(text) > 0) return Number(text) * 1_000;
  throw new UsageError("BAD_KVM_LIMIT", `${VARIABLE}=${JSON.stringify(text)} is not a number of seconds, 1 to 9999`, {
    hint: `set it to a whole number, e.g. ${VARIABLE}=30, or unset it`,
  });
}

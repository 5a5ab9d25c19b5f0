/** How long a kernel may take to its first line under KVM: $LIVELAB_KVM_LIMIT_S, for hosts whose KVM is slow. */
import { UsageError } from "../../base/livelab-error.js";

const VARIABLE = "LIVELAB_KVM_LIMIT_S";
/** In milliseconds; an ordinary host needs 700. */
export const DEFAULT_KVM_LIMIT_MS = 6_000;

/**
 * @param environment with LIVELAB_KVM_LIMIT_S, a number of seconds. @default 6
 * @returns milliseconds
 * @throws UsageError BAD_KVM_LIMIT
 */
export function kvmLimitMs(environment: Readonly<Record<string, string | undefined>>): number {
  const text = environment[VARIABLE];
  if (text === undefined || text === "") return DEFAULT_KVM_LIMIT_MS;
  if (/^\d{1,4}$/.test(text) && Number(text) > 0) return Number(text) * 1_000;
  throw new UsageError("BAD_KVM_LIMIT", `${VARIABLE}=${JSON.stringify(text)} is not a number of seconds, 1 to 9999`, {
    hint: `write it in digits, or unset ${VARIABLE}`,
  });
}

/** Proves claims one after the other in one nested host, and prints the results. */
import { join } from "node:path";
import { formatDuration } from "../../base/format.js";
import { NestedHost } from "../../fixtures/nested-host/nested-host.js";
import type { KvmClaim } from "./kvm-claim.js";

export interface ProofOptions {
  /** Folder for the nested host's console, QEMU's log, commands.log and the reports of boots. */
  readonly workDir: string;
  /** @default NestedHost.start */
  readonly startHost?: typeof NestedHost.start;
  /** Called with the result of each claim. */
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface ProofCount {
  readonly passed: number;
  readonly failed: number;
}

/**
 * Proves the claims. Every claim that was not proved counts as failed, also if the nested host did not start or was lost.
 * @throws the signal's reason
 */
export async function proveClaims(claims: readonly KvmClaim[], options: ProofOptions): Promise<ProofCount> {
  const { workDir, startHost = NestedHost.start, print, signal } = options;
  const startedAt = performance.now();
  let passed = 0;
  let hostFailed = false;
  try {
    await using host = await startHost({ workDir, signal });
    print(`nested host: up in ${formatDuration(performance.now() - startedAt)}, ${host.description}`);
    for (const claim of claims) passed += (await proves(claim, host, options)) ? 1 : 0;
    await host.keepReports(join(workDir, "reports"));
  } catch (error) {
    signal.throwIfAborted();
    hostFailed = true;
    print(`FAILED nested host: ${(error as Error).message}`);
  }
  return { passed, failed: Math.max(claims.length - passed, hostFailed ? 1 : 0) };
}

async function proves(
  { title, verify }: KvmClaim,
  host: NestedHost,
  { print, signal }: ProofOptions,
): Promise<boolean> {
  const startedAt = performance.now();
  const after = (): string => formatDuration(performance.now() - startedAt);
  try {
    const seen = await verify(host);
    print(`ok     ${title} (${after()})\n         ${seen}`);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    print(`FAILED ${title} (${after()})\n         ${(error as Error).message.split("\n").join("\n         ")}`);
    return false;
  }
}

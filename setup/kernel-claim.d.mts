/** Types of kernel-claim.mjs, which documents them. */

export class ClaimError extends Error {
  readonly hint: string;
}

export class Claim {
  readonly path: string;
  release(): void;
  close(): void;
}

export function tryClaim(path: string, options?: { readonly mustExist?: boolean }): Promise<Claim | undefined>;
export function waitForClaim(path: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<Claim>;
export function lockOpenFile(fd: number, path: string): Promise<boolean>;
export function isClaimed(path: string): Promise<boolean>;

export interface Owner {
  readonly boot: string;
  readonly pidNamespace: string;
  readonly pid: number;
  readonly startTime: string;
  readonly host: string;
}

export function thisProcess(): Owner;
export function startTimeOf(pid: number | "self"): string | undefined;
export function formatOwner(owner: Owner): string;
export function readOwner(path: string): Owner | undefined;

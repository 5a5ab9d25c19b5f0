/**
 * Detects a full disk, or a used-up quota of its owner.
 * Source: write(2), errors ENOSPC and EDQUOT; their texts in glibc.
 */

/** Checks an error of Node. */
export const isDiskFullError = (error: unknown): boolean =>
  ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException | undefined)?.code ?? "");

/** Checks the output of a program. */
export const isDiskFullText = (text: string): boolean =>
  /No space left on device|Disk quota exceeded|\bENOSPC\b|\bEDQUOT\b/i.test(text);

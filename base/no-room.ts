/**
 * Whether a disk is full, or its owner's quota is used up.
 * Source: write(2), errors ENOSPC and EDQUOT; their texts in glibc.
 */

/** Judges an error of Node. */
export const isDiskFullError = (error: unknown): boolean =>
  ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException | undefined)?.code ?? "");

/** Judges the output of a program. */
export const isDiskFullText = (text: string): boolean =>
  /No space left on device|Disk quota exceeded|\bENOSPC\b|\bEDQUOT\b/i.test(text);

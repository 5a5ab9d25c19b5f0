/**
 * Whether a disk takes no more, however that is told: it is full, or its owner's quota is used up.
 * Source: write(2), errors ENOSPC and EDQUOT; their texts in glibc.
 */

/** Of an error that Node threw. */
export const isNoRoomError = (error: unknown): boolean =>
  ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException | undefined)?.code ?? "");

/** In the words of a program. */
export const tellsNoRoom = (text: string): boolean =>
  /No space left on device|Disk quota exceeded|\bENOSPC\b|\bEDQUOT\b/i.test(text);

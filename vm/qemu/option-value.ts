/** Quotes text for one of QEMU's comma-separated options: QEMU splits at commas, and reads two commas as one. */
export const optionValue = (text: string): string => text.replaceAll(",", ",,");

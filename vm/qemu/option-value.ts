/** Free text within one of QEMU's comma-separated options: QEMU splits at commas, and takes two for one of the text. */
export const optionValue = (text: string): string => text.replaceAll(",", ",,");

/** Formats a command and its arguments as text that a shell reads back as the same words. */

/** One flag per line, followed by its value. */
export function formatCommandLine(program: string, args: readonly string[]): string {
  const words = args.map(quoteWord);
  const lines = words.map((word, index) => (index > 0 && !word.startsWith("-") ? ` ${word}` : ` \\\n  ${word}`));
  return `${quoteWord(program)}${lines.join("")}\n`;
}

/** Quotes any text as one word of a POSIX shell (POSIX.1-2017, Shell Command Language 2.2.2 "Single-Quotes"). */
export function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Command lines with what they do, for the end of a command's help. @param lines what a command does may be "" */
export const helpExamples = (...lines: readonly (readonly [command: string, does: string])[]): string =>
  [
    "",
    "Examples:",
    ...lines.map(([command, does]) => (does === "" ? `  ${command}` : `  ${command}\n      ${does}`)),
  ].join("\n");

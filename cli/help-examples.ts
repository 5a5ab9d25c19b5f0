/** Formats examples for the end of a command's help. @param lines command lines and what they do; the latter may be "" */
export const helpExamples = (...lines: readonly (readonly [command: string, does: string])[]): string =>
  [
    "",
    "Examples:",
    ...lines.map(([command, does]) => (does === "" ? `  ${command}` : `  ${command}\n      ${does}`)),
  ].join("\n");

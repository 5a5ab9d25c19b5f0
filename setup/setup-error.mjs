/** Set-up cannot go on: what failed, where, and what the reader can do. */
export class SetupError extends Error {
  name = "SetupError";

  /**
   * @param {3 | 4 | 70} exitCode 3: the host lacks something; 4: a registry or a lock; 70: our own sources
   * @param {string} message what was tried, on what, and what came of it
   * @param {string} hint a sentence or a command that mends it
   */
  constructor(exitCode, message, hint) {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

/** Set-up cannot continue: what failed, where, and what the user can do. */
export class SetupError extends Error {
  name = "SetupError";

  /**
   * @param {3 | 4 | 70} exitCode 3: the host lacks something; 4: a registry or a lock; 70: livelab's sources
   * @param {string} message what failed, on what, and why
   * @param {string} hint a sentence or a command that fixes it
   */
  constructor(exitCode, message, hint) {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

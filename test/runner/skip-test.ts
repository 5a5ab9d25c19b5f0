/**
 * Skips a test for a reason that the runner prints. uvu's own skip() is silent, and the runner takes a silent skip for a
 * failure: a test that never runs anywhere should be seen.
 */

/** How a line of output begins that states a reason. */
const MARK = "SKIPPED ";

/**
 * @param suite the uvu suite
 * @param reason what the host lacks, e.g. "needs root"
 */
function skipTest(suite: { skip(name: string): void }, title: string, reason: string): void {
  suite.skip(title);
  console.log(`${MARK}${title}: ${reason}`);
}

/**
 * Registers a test where this host can run it, and skips it elsewhere with the reason.
 * @param suite the uvu suite
 * @param lack what the host lacks, or undefined when it lacks nothing
 */
export function testUnless(
  suite: { (title: string, body: () => Promise<void>): void; skip(title: string): void },
  title: string,
  lack: string | undefined,
  body: () => Promise<void>,
): void {
  if (lack === undefined) suite(title, body);
  else skipTest(suite, title, lack);
}

/** What a host lacks whose user is not root. @param why e.g. "to mount a small file system" */
export const needsRoot = (why: string): string | undefined =>
  process.getuid?.() === 0 ? undefined : `needs root, ${why}`;

/** The skipped tests that said why, as "title: reason". */
export function statedSkips(output: string): readonly string[] {
  return output
    .split("\n")
    .filter((line) => line.startsWith(MARK))
    .map((line) => line.slice(MARK.length));
}

/** Whether a path leads to something: a file, a folder or anything else. A link counts when its target exists. */
import { access } from "node:fs/promises";

/** Never rejects: a path that cannot be looked at counts as missing. */
export const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

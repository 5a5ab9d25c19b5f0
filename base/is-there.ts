/** Whether something is at a path, whatever it is. */
import { access } from "node:fs/promises";

/** Never rejects: what cannot be looked at counts as not there. */
export const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

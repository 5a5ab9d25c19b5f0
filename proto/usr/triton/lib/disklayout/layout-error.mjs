/** A request that no layout meets, or an unreadable inventory. The message is one line. */
export class LayoutError extends Error {
  name = "LayoutError";
}

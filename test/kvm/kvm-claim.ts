/** A claim about livelab on a host with KVM, proved in a nested host. */
import type { NestedHost } from "../../fixtures/nested-host/nested-host.js";

export interface KvmClaim {
  /** A sentence that can be false. */
  readonly title: string;
  /** @returns what was seen, in a few words for the reader @throws AssertionError when the claim does not hold */
  readonly verify: (host: NestedHost) => Promise<string>;
}

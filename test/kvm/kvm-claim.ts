/** A claim about livelab on a host with KVM, which is proved in a nested host. */
import type { NestedHost } from "../../fixtures/nested-host/nested-host.js";

export interface KvmClaim {
  /** A sentence that can be false. */
  readonly title: string;
  /** @returns a short description of the observation @throws AssertionError if the claim does not hold */
  readonly verify: (host: NestedHost) => Promise<string>;
}

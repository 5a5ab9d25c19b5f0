/**
 * A throw-away machine whose root is the sandbox's base: what the builder VM boots is made in one.
 * The sandbox gives it, or a VM from a cloud image where the host refuses the sandbox (cloud-root-builder.ts).
 */
import type { SshConnection } from "../channel/ssh-connection.js";

export interface RootBuilder extends AsyncDisposable {
  readonly ssh: Pick<SshConnection, "exec" | "forwardFrom">;
}

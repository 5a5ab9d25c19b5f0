/**
 * A temporary machine whose root is the sandbox's base. The root of the builder VM is made in it.
 * It is a sandbox, or a VM from a cloud image if the host refuses the sandbox (cloud/cloud-root-builder.ts).
 */
import type { SshConnection } from "../channel/ssh-connection.js";

export interface RootBuilder extends AsyncDisposable {
  readonly ssh: Pick<SshConnection, "exec" | "forwardFrom">;
}

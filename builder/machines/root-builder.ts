/**
 * A temporary machine whose root is the sandbox's base. The root of the builder VM is made in it.
 * It is a sandbox; a VM if the host refuses the sandbox (vm/root-vm.ts); or a cloud image that the user names
 * (cloud/cloud-root-builder.ts).
 */
import type { SshConnection } from "../channel/ssh-connection.js";

export interface RootBuilder extends AsyncDisposable {
  readonly ssh: Pick<SshConnection, "exec" | "forwardFrom">;
}

/**
 * Checks KVM without running a guest: whether its device exists and can be opened.
 * Source: Linux Documentation/virt/kvm/api.rst; open(2).
 */
import type { Stats } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import { userInfo } from "node:os";

export type KvmNode =
  | { readonly kind: "open" }
  | {
      readonly kind: "no-node" | "no-permission" | "busy";
      /** Describes the problem. */
      readonly detail: string;
      /** The command or step that solves it. */
      readonly remedy: string;
    };

/** The remedy if another hypervisor uses the processor's virtualisation. */
export const KVM_BUSY_REMEDY =
  "stop the other hypervisor (VirtualBox, VMware) that holds the processor's virtualisation";

/** Opens the device and closes it again. @param device usually "/dev/kvm" */
export async function inspectKvmNode(device: string): Promise<KvmNode> {
  try {
    await (await open(device, "r+")).close();
    return { kind: "open" };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES") return describeRefusal(device);
    if (code === "EPERM") {
      return {
        kind: "no-permission",
        detail: `this container or control group may not open ${device}`,
        remedy: `start the container with the device, e.g. docker run --device ${device}`,
      };
    }
    if (code === "EBUSY") return { kind: "busy", detail: `${device} is busy`, remedy: KVM_BUSY_REMEDY };
    return {
      kind: "no-node",
      detail: `${device} cannot be opened (${code})`,
      remedy:
        "modprobe kvm_intel (or kvm_amd); turn virtualisation on in the firmware, or nested virtualisation on the host",
    };
  }
}

async function describeRefusal(device: string): Promise<KvmNode> {
  const { name: user, isKnown } = currentUser();
  const owned = await stat(device);
  const refused = (detail: string, remedy: string): KvmNode => ({ kind: "no-permission", detail, remedy });
  if (mayOpen(owned)) {
    return refused(
      `${device} cannot be opened, although its permissions allow it: its file system is mounted nodev, or a security module forbids it`,
      `mount it with dev, or start the container with the device: docker run --device ${device}`,
    );
  }
  const { gid, mode } = owned;
  const group = await groupName(gid);
  const isGroups = (mode & 0o060) === 0o060;
  if (!isKnown) {
    return refused(
      `user ${user} may not open ${device}`,
      isGroups
        ? `run livelab in the device's group: docker run --group-add ${gid}, or setpriv --groups ${gid}`
        : `sudo chgrp kvm ${device} && sudo chmod 660 ${device}, then run livelab in that group: docker run --group-add kvm`,
    );
  }
  if (isGroups) {
    return refused(
      `${user} may not open ${device}: it is open to the group ${group}`,
      `sudo usermod -aG ${group} ${user}, then log in again`,
    );
  }
  return refused(
    `${user} may not open ${device}: only its owner may`,
    `sudo chgrp kvm ${device} && sudo chmod 660 ${device} && sudo usermod -aG kvm ${user}, then log in again`,
  );
}

/** Whether the permissions of a file let this process read and write it (path_resolution(7)). */
function mayOpen({ uid, gid, mode }: Stats): boolean {
  const user = process.geteuid?.();
  if (user === 0) return true;
  const groups = [process.getegid?.(), ...(process.getgroups?.() ?? [])];
  const shift = uid === user ? 6 : groups.includes(gid) ? 3 : 0;
  return ((mode >> shift) & 0o6) === 0o6;
}

/** The name of the user; its number if the number has no name, e.g. after docker run --user 1234. */
function currentUser(): { readonly name: string; readonly isKnown: boolean } {
  try {
    return { name: userInfo().username, isKnown: true };
  } catch {
    return { name: String(process.geteuid?.()), isKnown: false };
  }
}

async function groupName(gid: number): Promise<string> {
  const groups = await readFile("/etc/group", "utf8").catch(() => "");
  const line = groups.split("\n").find((entry) => entry.split(":")[2] === String(gid));
  return line?.split(":")[0] ?? String(gid);
}

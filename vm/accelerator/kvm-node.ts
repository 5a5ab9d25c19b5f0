/**
 * Checks KVM without running a guest: whether its device exists and can be opened.
 * Source: Linux Documentation/virt/kvm/api.rst; open(2).
 */
import { open, readFile, realpath, stat } from "node:fs/promises";
import { userInfo } from "node:os";
import { relative } from "node:path";

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
  const { gid, mode } = await stat(device);
  const group = await groupName(gid);
  const isGroups = (mode & 0o060) === 0o060;
  const refused = (detail: string, remedy: string): KvmNode => ({ kind: "no-permission", detail, remedy });
  const nodev = await findNodevMount(device);
  if (nodev !== undefined) {
    return refused(
      `${device} cannot be opened, because ${nodev} is mounted with the option nodev`,
      `mount -o remount,dev ${nodev}; or start the container with the device, e.g. docker run --device ${device}`,
    );
  }
  if (process.geteuid?.() === 0) {
    // Root of a user namespace, as in a rootless container, or without capabilities, or under a security module.
    return refused(
      `root of this container may not open ${device}: it belongs to the group ${group}`,
      `start the container with the device and your groups, e.g. podman run --device ${device} --group-add keep-groups`,
    );
  }
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

/**
 * The mount point of a file if it is mounted with the option nodev, which forbids to open devices.
 * Source: proc_pid_mountinfo(5): field 5 is the mount point, field 6 has its options; the last of several mounts counts.
 */
async function findNodevMount(path: string): Promise<string | undefined> {
  const file = await realpath(path);
  const table = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  const mounts = table.split("\n").map((line) => {
    const [, , , , point = "", options = ""] = line.split(" ");
    return { point, options: options.split(",") };
  });
  const holders = mounts.filter(({ point }) => point !== "" && !relative(point, file).startsWith(".."));
  const longest = Math.max(...holders.map(({ point }) => point.length));
  const holder = holders.findLast(({ point }) => point.length === longest);
  return holder?.options.includes("nodev") ? holder.point : undefined;
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

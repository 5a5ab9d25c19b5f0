/**
 * Whether this host lets livelab make the namespaces that the sandbox needs, found out by making them.
 * Sources: user_namespaces(7), subuid(5), newuidmap(1).
 */
import { execa } from "execa";
import type { HostCheck } from "../../vm/host-check.js";
import { BuilderError } from "../builder-error.js";
import { namespaceArgv } from "./namespaces.js";

/** Runs an empty program the way the sandbox is run. @param asRoot whether livelab runs as root */
export async function checkNamespaces(asRoot: boolean): Promise<HostCheck> {
  const name = "namespaces for the sandbox";
  const [command = "", ...args] = namespaceArgv("/dev/null", asRoot);
  const result = await execa(command, args, { reject: false, timeout: 10_000, stdin: "ignore" });
  if (result.exitCode === 0) {
    return { name, state: "ok", detail: asRoot ? "made as root" : "made in a user namespace" };
  }
  const reason = result.stderr.trim().split("\n").at(-1) || result.shortMessage || "no reason given";
  if (result.code === "ENOENT") {
    return {
      name,
      state: "missing",
      detail: `${command} is not installed`,
      remedy: "install util-linux 2.38 or newer",
    };
  }
  return {
    name,
    state: "missing",
    detail: reason,
    remedy: asRoot
      ? "this host forbids namespaces even to root, as some containers do: allow CAP_SYS_ADMIN, or run livelab outside the container"
      : /map-auto/.test(reason)
        ? "install util-linux 2.38 or newer, or run as root"
        : "install uidmap (newuidmap), give this user ranges in /etc/subuid and /etc/subgid (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER), and allow user namespaces (sysctl kernel.unprivileged_userns_clone=1; on Ubuntu 24.04 kernel.apparmor_restrict_unprivileged_userns=0), or run as root",
  };
}

/** @throws BuilderError NO_NAMESPACES with the reason and the remedy (exit 3) */
export async function assertNamespaces(asRoot: boolean): Promise<void> {
  const check = await checkNamespaces(asRoot);
  if (check.state === "ok") return;
  throw new BuilderError("NO_NAMESPACES", `the sandbox cannot run on this host: ${check.detail}`, {
    hint: check.remedy,
  });
}

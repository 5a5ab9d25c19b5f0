/**
 * Kernel and initramfs of the root VM, from locked packages alone. The initramfs contains the programs that serve SSH and unpack
 * packages, the drivers of the machine's devices, and vm-init.sh. Its programs are not configured and need not be: maintainer
 * scripts run only in the root that the VM makes.
 */
import { createWriteStream } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { InputError } from "../../builder-error.js";
import type { TarFile } from "../../home/tar-stream.js";
import { writeFailure } from "../../home/write-failure.js";
import { withDependencies } from "../../profile/dependencies.js";
import { describeLockedFile, type Lock } from "../../profile/lock.js";
import type { LockedDeb } from "../../profile/lock-set.js";
import type { Store } from "../../store/store.js";
import { readDeb } from "../deb-archive.js";
import { cpioArchive } from "./cpio-archive.js";
import { kernelPackage } from "./locked-kernel.js";

export interface RootVmSources {
  /** Has the files of the lock sets "base" and "vm". */
  readonly store: Store;
  readonly lock: Lock;
  /** Folder that holds package.json. */
  readonly projectRoot: string;
  readonly signal: AbortSignal;
}

export interface RootVmFiles {
  readonly kernel: string;
  readonly initrd: string;
}

/** The packages whose programs vm-init.sh, serve-ssh.sh, make-base.sh and livelab itself run. */
const PACKAGES = [
  ...["base-files", "coreutils", "dash", "hostname", "iproute2", "kmod", "mount", "openssh-server"],
  ...["sed", "tar", "util-linux", "xz-utils"],
];
/** Files that no program needs: a third of the packages. */
const NOT_NEEDED = /^usr\/share\/(doc|info|locale|man)\//;
const KERNEL = /^boot\/vmlinuz-/;
/** Drivers, and the lists of drivers that are part of the kernel. depmod(8) finds their dependencies in the VM. */
const MODULES =
  /^lib\/modules\/.*\/(virtio[^/]*\.ko|rng-core\.ko|qemu_fw_cfg\.ko|modules\.builtin[^/]*|modules\.order)$/;
/** The folders that are links into /usr, as make-base.sh makes them. */
const MERGED = ["bin", "sbin", "lib", "lib64"];

/** Files of the project, by their path in the initramfs. */
const SCRIPTS = {
  init: "builder/machines/vm/root-vm-init.sh",
  "usr/lib/livelab/init": "builder/machines/vm/vm-init.sh",
  "usr/lib/livelab/serve-ssh.sh": "builder/channel/serve-ssh.sh",
};
/** The accounts of sshd. A maintainer script would make the second. */
const ACCOUNTS = {
  "etc/passwd": "root:*:0:0:root:/root:/bin/sh\nsshd:*:100:65534::/run/sshd:/usr/sbin/nologin\n",
  "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
};

/**
 * Writes kernel and initramfs to a folder; it took 15 s to 30 s on a busy host, most of them for the kernel's package (measured).
 * @throws InputError for a missing or damaged package; BuilderError HOST_DISK_FULL, NOT_WRITABLE
 */
export async function writeRootVmFiles(
  { store, lock, projectRoot, signal }: RootVmSources,
  folder: string,
): Promise<RootVmFiles> {
  const read = (deb: LockedDeb, wants: (path: string) => boolean): Promise<readonly TarFile[]> => {
    signal.throwIfAborted();
    return readDeb(store.pathOf(deb.digest), wants, describeLockedFile(deb));
  };
  const kernelDeb = kernelPackage(lock);
  const ofKernel = await read(kernelDeb, (path) => KERNEL.test(path) || MODULES.test(path));
  const vmlinuz = ofKernel.find(({ path }) => KERNEL.test(path));
  if (vmlinuz?.kind !== "file") {
    throw new InputError("MALFORMED", `${describeLockedFile(kernelDeb)} has no file /boot/vmlinuz-*`);
  }
  async function* files(): AsyncGenerator<TarFile> {
    for (const deb of withDependencies(lock.set("base"), PACKAGES)) {
      yield* await read(deb, (path) => !NOT_NEEDED.test(path));
    }
    yield* ofKernel.filter(({ path }) => MODULES.test(path));
    for (const [path, source] of Object.entries(SCRIPTS)) {
      yield { kind: "file", path, mode: 0o755, content: await readFile(join(projectRoot, source)) };
    }
    for (const [path, text] of Object.entries(ACCOUNTS)) {
      yield { kind: "file", path, mode: 0o644, content: Buffer.from(text) };
    }
  }
  const made = { kernel: join(folder, "vmlinuz"), initrd: join(folder, "initrd") };
  try {
    await writeFile(made.kernel, vmlinuz.content);
    await pipeline(Readable.from(cpioArchive(inMergedUsr(files()))), createWriteStream(made.initrd));
  } catch (error) {
    throw writeFailure(folder, error);
  }
  return made;
}

/** Moves files to the merged /usr. Adds missing folders above a file, because the kernel does not, and drops repeated ones. */
async function* inMergedUsr(files: AsyncIterable<TarFile>): AsyncGenerator<TarFile> {
  for (const path of MERGED) yield { kind: "symlink", path, target: `usr/${path}` };
  const folders = new Set<string>();
  for await (const file of files) {
    const names = file.path.split("/");
    if (MERGED.includes(names[0] ?? "")) names.unshift("usr");
    for (const depth of names.keys()) {
      const path = names.slice(0, depth).join("/");
      if (depth === 0 || folders.has(path)) continue;
      folders.add(path);
      yield { kind: "folder", path, mode: 0o755 };
    }
    const path = names.join("/");
    if (file.kind === "folder" && folders.has(path)) continue;
    if (file.kind === "folder") folders.add(path);
    yield { ...file, path };
  }
}

/**
 * `npm run test:vm-build`: builds the whole image in the builder VM and in the sandbox with one stamp, and compares files
 * and times; then again after a change of proto, with the VM's build killed midway. First it makes the builder VM's root
 * on a host that refuses namespaces, and compares it with the one that the sandbox makes.
 * It uses the inputs and bases of the host's LIVELAB_HOME, and takes 45 min to 75 min with an emulated VM.
 */
import { appendFile, mkdir, readdir, readFile, symlink } from "node:fs/promises";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { formatBytes, formatDuration } from "../base/format.js";
import { isThere } from "../base/is-there.js";
import { watchOutput } from "../base/lost-output.js";
import { findProjectRoot } from "../base/project-root.js";
import { runProgram } from "../base/run-program.js";
import { TempDir } from "../base/temp-dir.js";
import { table } from "../builder/release/describe.js";
import type { OutputReport } from "../builder/release/outputs.js";
import { sha256Of } from "../fixtures/misbehaving-mirror.js";
import { linkHome, separateArtifacts, sharedHome } from "../fixtures/toy-stage.js";
import { checkedRun, copyProject, type MeasuredRun, measuredRun } from "./measured-run.js";
import { useTestTools } from "./runner/test-tools.js";

const STAMP = "20260102T030405Z";
const KINDS = ["sandbox", "vm"] as const;
type Kind = (typeof KINDS)[number];

const root = findProjectRoot();
watchOutput({ program: "vm-build" });
await useTestTools();
await using dir = await TempDir.create("vm-build");
const project = join(dir.path, "project");
await copyProject(root, project);
const cli = join(project, "dist/cli/main.js");
const homes: Record<Kind, string> = { sandbox: join(dir.path, "sandbox"), vm: join(dir.path, "vm") };
for (const kind of KINDS) {
  await mkdir(homes[kind]);
  await linkHome(homes[kind]);
  await separateArtifacts(homes[kind]);
}
const out = (kind: Kind): string => join(dir.path, `out-${kind}`);
const env = (kind: Kind): Record<string, string> => ({ LIVELAB_HOME: homes[kind] });
let failures = 0;
const claim = (text: string, holds: boolean): void => {
  failures += holds ? 0 : 1;
  process.stdout.write(`${holds ? "ok" : "FAILED"}: ${text}\n`);
};

const readReport = async (kind: Kind): Promise<OutputReport> =>
  JSON.parse(await readFile(join(out(kind), STAMP, "build.json"), "utf8")) as OutputReport;

/** Prints both builds in one table. */
async function compare(title: string, runs: Record<Kind, MeasuredRun>): Promise<void> {
  const reports = { sandbox: await readReport("sandbox"), vm: await readReport("vm") };
  const took = (kind: Kind, name: string): string => {
    const stage = reports[kind].stages.find((record) => record.name === name);
    return stage === undefined ? "" : `${formatDuration(stage.durationMs)}${stage.reused ? " (reused)" : ""}`;
  };
  process.stdout.write(`\n${title}\n`);
  const rows = reports.vm.stages.map(({ name }) => [name, took("sandbox", name), took("vm", name)]);
  process.stdout.write(
    `${table([
      ["", ...KINDS],
      ...rows,
      ["whole command", ...KINDS.map((kind) => formatDuration(runs[kind].durationMs))],
      ["peak memory of livelab", ...KINDS.map((kind) => formatBytes(runs[kind].peakBytes))],
    ])}\n\n`,
  );
  for (const { name, sha256 } of reports.sandbox.files) {
    const other = reports.vm.files.find((file) => file.name === name)?.sha256;
    claim(`${name}: ${sha256}${other === sha256 ? "" : ` in the sandbox, ${other} in the VM`}`, other === sha256);
  }
}

const build = (kind: Kind, ...more: string[]): string[] => [cli, "build", "-o", out(kind), ...more];

/** Runs a command where no process may make mount namespaces, as in a container that forbids them. */
const WITHOUT_NAMESPACES = [
  ...["unshare", "--user", "--map-root-user", "sh", "-euc"],
  'echo 0 >/proc/sys/user/max_mnt_namespaces; exec "$@"',
  "sh",
];

/** Makes the builder VM's root in a home that shares only the inputs. @returns digests of its files */
async function makeVmRoot(name: string, before: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const home = join(dir.path, name);
  await mkdir(home);
  await symlink(join(sharedHome(), "store"), join(home, "store"));
  const args = [cli, "build", "--machine", "vm", "-o", join(dir.path, `out-${name}`), "preflight_check"];
  const { status, durationMs } = await measuredRun(args, { LIVELAB_HOME: home }, undefined, before);
  process.stdout.write(`${name}: the builder VM's root and its first stage took ${formatDuration(durationMs)}\n`);
  claim(`${name}: the builder VM's root was made`, status === 0);
  const digests: Record<string, string> = {};
  for (const base of await readdir(join(home, "bases"))) {
    for (const file of ["vmlinuz", "initrd", "root.squashfs"]) {
      const path = join(home, "bases", base, file);
      if (await isThere(path)) digests[`${base.slice(0, 12)}/${file}`] = sha256Of(await readFile(path)).hex;
    }
  }
  claim(`${name}: the root has a kernel, an initramfs and a squashfs`, Object.keys(digests).length === 3);
  return digests;
}

const inSandbox = await makeVmRoot("with-namespaces", []);
const inRootVm = await makeVmRoot("without-namespaces", WITHOUT_NAMESPACES);
for (const [file, digest] of Object.entries(inSandbox)) {
  claim(`${file}: ${digest} in the sandbox, ${inRootVm[file]} in the root VM`, inRootVm[file] === digest);
}

await compare(`built with stamp ${STAMP}`, {
  sandbox: await checkedRun(build("sandbox", "--machine", "sandbox", "--stamp", STAMP), env("sandbox")),
  vm: await checkedRun(build("vm", "--machine", "vm", "--stamp", STAMP), env("vm")),
});
const listed = ["shell", "-r", STAMP, "--", "zfs", "list", "-t", "snapshot", "-o", "name,used,refer"];
process.stdout.write(
  `\n${(await runProgram(process.execPath, [cli, ...listed], { env: { ...process.env, ...env("vm") } })).stdout}\n`,
);

await appendFile(join(project, "proto/etc/profile.d/triton.sh"), "# changed by the VM build test\n");
await compare("after a change of one proto file", {
  sandbox: await checkedRun(build("sandbox", "-r", STAMP), env("sandbox")),
  vm: await checkedRun(build("vm", "-r", STAMP), env("vm")),
});

await appendFile(join(project, "proto/etc/profile.d/triton.sh"), "# changed again\n");
process.stdout.write("\nanother change, with the VM's build killed in postinstall and in prepare_archive_bits\n");
for (const stage of ["postinstall", "prepare_archive_bits"]) {
  const killed = await measuredRun(build("vm", "-r", STAMP), env("vm"), (text, kill) => {
    if (new RegExp(`${stage}: (?!starting)`).test(text)) kill();
  });
  claim(`SIGKILL in ${stage} ended the build`, killed.status === null);
}
await compare("after it was resumed", {
  sandbox: await checkedRun(build("sandbox", "-r", STAMP), env("sandbox")),
  vm: await checkedRun(build("vm", "-r", STAMP), env("vm")),
});
process.stdout.write(
  `\n${availableParallelism()} processors, load ${loadavg()[0]?.toFixed(1)}\n${failures === 0 ? "all claims are true" : `${failures} FAILED`}\n`,
);
if (failures > 0) process.exitCode = 1;

/**
 * The outputs of a release: out/<stamp>/ and the link out/latest.
 * Not here: making them (stages), checking archives.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, constants, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finished, pipeline } from "node:stream/promises";
import { formatBytes } from "../vm/format.js";
import type { Step } from "../vm/progress.js";
import { BuilderError, StageError } from "./builder-error.js";
import { ownerTag } from "./owner.js";
import type { Release } from "./release.js";
import { type StageContext, startMachine } from "./stage-run.js";
import { extractTar } from "./tar-stream.js";

/** What out/<stamp>/build.json tells. */
export interface OutputReport {
  readonly version: 1;
  readonly stamp: string;
  readonly profile: string;
  /** Packages in the image. */
  readonly packages: number;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
  readonly stages: Release["stages"];
}

const outputFolder = (outRoot: string, stamp: string): string => join(outRoot, stamp);

/** Fails before the build rather than after it. @throws BuilderError NOT_WRITABLE */
export async function checkOutputFolder(outRoot: string): Promise<void> {
  try {
    await mkdir(outRoot, { recursive: true });
    await access(outRoot, constants.W_OK);
    // Root may write where the file system says no (a read-only mount): only a write tells.
    const probe = join(outRoot, `.probe.${ownerTag()}`);
    await writeFile(probe, "");
    await rm(probe);
  } catch (cause) {
    throw new BuilderError(
      "NOT_WRITABLE",
      `the output folder ${outRoot} cannot be written: ${(cause as Error).message}`,
      {
        hint: "make it writable, or name another one: livelab build -o DIR",
        cause,
      },
    );
  }
}

/** The report of finished outputs, or undefined when there are none or not all of them. */
export async function findOutputs(outRoot: string, stamp: string): Promise<OutputReport | undefined> {
  const folder = outputFolder(outRoot, stamp);
  const text = await readFile(join(folder, "build.json"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const report = JSON.parse(text) as OutputReport;
  for (const file of report.files) {
    const found = await stat(join(folder, file.name)).catch(() => undefined);
    if (found?.size !== file.bytes) return undefined;
  }
  return report;
}

/** Copies image/ of a release to out/<stamp>/, whole or not at all. */
export async function exportOutputs(
  context: StageContext,
  release: Release,
  outRoot: string,
  step: Step,
): Promise<OutputReport> {
  const folder = outputFolder(outRoot, release.stamp);
  const part = `${folder}.${ownerTag()}`;
  try {
    await mkdir(part, { recursive: true });
    const layers = release.stages.map((stage) => context.layers.pathOf(stage.key));
    await using machine = await startMachine(context, layers);
    const unpack = extractTar(part);
    step.status("copying image/");
    const sent = await machine.ssh.exec(`tar -c -C /data/debian-live/${release.stamp}/image .`, {
      stdout: unpack,
      ...(context.signal === undefined ? {} : { signal: context.signal }),
    });
    unpack.end();
    await finished(unpack);
    if (sent.status !== 0) throw new StageError("STAGE_OUTPUT", `image/ could not be copied: ${sent.stderr}`);

    const files: { name: string; bytes: number; sha256: string }[] = [];
    for (const name of (await readdir(part)).sort()) {
      step.status(`digest of ${name}`);
      const hash = createHash("sha256");
      await pipeline(createReadStream(join(part, name)), hash);
      files.push({ name, bytes: (await stat(join(part, name))).size, sha256: hash.digest("hex") });
    }
    const packages = (await readFile(join(part, "filesystem.packages"), "utf8")).trimEnd().split("\n").length;
    const report: OutputReport = {
      version: 1,
      stamp: release.stamp,
      profile: release.profile,
      packages,
      files,
      stages: release.stages,
    };
    await writeFile(join(part, "build.json"), `${JSON.stringify(report, null, 2)}\n`);
    await rm(folder, { recursive: true, force: true });
    await rename(part, folder);
    await linkLatest(outRoot, release.stamp);
    step.result(formatBytes(files.reduce((sum, file) => sum + file.bytes, 0)));
    return report;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") {
      throw new BuilderError("HOST_DISK_FULL", `no room for the outputs in ${outRoot}`, {
        hint: `free about 1 GiB there, then: livelab build -r ${release.stamp} create_tgz`,
        cause: error,
      });
    }
    throw error;
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

/** Points out/latest at a release. A rename replaces the link itself; `ln -sf` would follow it. */
export async function linkLatest(outRoot: string, stamp: string): Promise<void> {
  const link = join(outRoot, `latest.${ownerTag()}`);
  await rm(link, { force: true });
  await symlink(stamp, link);
  await rename(link, join(outRoot, "latest"));
}

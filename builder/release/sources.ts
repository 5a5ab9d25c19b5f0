/**
 * `livelab sources`: what whoever passes an image on has to offer with it. The image holds GPL parts, and ZFS under the CDDL;
 * both licences ask for the source of what is passed on, of exactly that version.
 * The list is collected from the image itself when it is built (builder/stages/sources.sh).
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../../base/livelab-error.js";
import { table } from "./describe.js";
import { OUTPUTS_REMEDY } from "./outputs.js";

export interface PackageSource {
  readonly name: string;
  readonly version: string;
  /** Source package, or "npm <name>". */
  readonly source: string;
  readonly sourceVersion: string;
  readonly licences: string;
}

/** @param folder of a release's outputs @throws UsageError NO_RELEASE, BAD_SOURCES */
export async function readSources(folder: string): Promise<PackageSource[]> {
  const file = join(folder, "filesystem.sources");
  const text = await readFile(file, "utf8").catch((cause: Error) => {
    throw new UsageError("NO_RELEASE", `cannot read ${file}: ${cause.message}`, {
      hint: "livelab build makes it; another release: livelab sources out/STAMP",
      cause,
    });
  });
  return text
    .trimEnd()
    .split("\n")
    .map((line, index) => {
      const [name, version, source, sourceVersion, licences, ...more] = line.split("\t");
      if (!name || !version || !source || !sourceVersion || !licences || more.length > 0) {
        throw new UsageError(
          "BAD_SOURCES",
          `${file}:${index + 1} is not a package with its source and licences: ${line}`,
          { hint: `bring the outputs back: ${OUTPUTS_REMEDY}` },
        );
      }
      return { name, version, source, sourceVersion, licences };
    });
}

const isOfNpm = ({ source }: PackageSource): boolean => source.startsWith("npm ");

/** Name of the file that a source package of Debian begins with; an epoch is not part of it (Debian Policy 5.6.12). */
const dscName = (one: PackageSource): string =>
  isOfNpm(one) ? `${one.source} ${one.sourceVersion}` : `${one.source}_${one.sourceVersion.replace(/^\d+:/, "")}.dsc`;

/** Debian's source packages, each once, as `apt-get source` takes them: it wants the whole version, with its epoch. */
export function listDscs(packages: readonly PackageSource[]): string[] {
  const ofDebian = packages.filter((one) => !isOfNpm(one));
  return [...new Set(ofDebian.map(({ source, sourceVersion }) => `${source}=${sourceVersion}`))].sort();
}

export function describeSources(packages: readonly PackageSource[]): string {
  const rows = packages.map((one) => [one.name, one.version, dscName(one), one.licences]);
  const sources = new Set(packages.map(dscName));
  return [
    table([["package", "version", "source", "licences"], ...rows]),
    "",
    `${packages.length} packages from ${sources.size} sources. Whoever passes the image on offers these with it: the GPL`,
    "and the CDDL (ZFS) ask for the source of just these versions. `livelab sources --dsc` lists Debian's for",
    "`apt-get source --download-only`; what the ZFS modules were compiled from lies in build.tgz.",
  ].join("\n");
}

/**
 * `livelab sources`: lists the sources that you must offer if you distribute an image. The image contains software under the
 * GPL, and ZFS under the CDDL; both licences require the source of exactly the distributed version.
 * The build collects the list from the image itself (builder/stages/sources.sh).
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

/** Reads the list of sources. @param folder outputs of a release @throws UsageError NO_RELEASE, BAD_SOURCES */
export async function readSources(folder: string): Promise<PackageSource[]> {
  const file = join(folder, "filesystem.sources");
  const text = await readFile(file, "utf8").catch((cause: Error) => {
    throw new UsageError("NO_RELEASE", `cannot read ${file}: ${cause.message}`, {
      hint: "make it: livelab build; or name another release: livelab sources out/STAMP",
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
          { hint: `make the outputs again: ${OUTPUTS_REMEDY}` },
        );
      }
      return { name, version, source, sourceVersion, licences };
    });
}

const isOfNpm = ({ source }: PackageSource): boolean => source.startsWith("npm ");

/** Name of the .dsc file of a Debian source package; it does not contain the epoch (Debian Policy 5.6.12). */
const dscName = (one: PackageSource): string =>
  isOfNpm(one) ? `${one.source} ${one.sourceVersion}` : `${one.source}_${one.sourceVersion.replace(/^\d+:/, "")}.dsc`;

/** Debian's source packages, each once, as arguments of `apt-get source`: these contain the epoch of the version. */
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
    `${packages.length} packages from ${sources.size} sources. If you distribute the image, offer these sources: the GPL`,
    "and the CDDL (ZFS) require the source of exactly these versions. `livelab sources --dsc` lists Debian's for",
    "`apt-get source --download-only`; build.tgz contains the source of the ZFS modules.",
  ].join("\n");
}

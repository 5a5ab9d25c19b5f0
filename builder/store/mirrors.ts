/**
 * Finds the sources of locked files (DESIGN D4). Mirrors are configuration: only content counts, so any source whose bytes
 * have the locked digest is accepted.
 * Sources: apt-get(8) "indextargets"; apt-proxies.ts; npm-config(7) "registry".
 */
import { UsageError } from "../../base/livelab-error.js";
import { ProgramError, runProgram } from "../../base/run-program.js";
import type { LockedFile } from "../profile/lock.js";
import { allSuites, type LockSpec, type Suite, suiteOf } from "../profile/profiles.js";
import { APT_DUMP, aptProxyFor, parseAptOptions } from "./apt-proxies.js";
import type { ProxySettings } from "./proxy-settings.js";

/** A base address that serves a Debian archive; ends in a slash. */
export interface Mirror {
  readonly url: string;
  /** Where the address is configured, for messages. */
  readonly origin: "LIVELAB_MIRROR" | "the host's apt" | "the profile's archives";
  /** The archive that it serves; undefined for all. */
  readonly archive?: string;
}

/** Sources of files, in the order in which they are tried. */
export interface Mirrors {
  readonly debian: readonly Mirror[];
  /** Base address of the registry that the host's npm uses; ends in a slash; undefined if the host has no npm. */
  readonly npmRegistry: string | undefined;
  /** ProxySettings.aptProxies for the mirrors of the host's apt. @default none */
  readonly aptProxies?: ReadonlyMap<string, string> | undefined;
}

/**
 * Finds the mirrors for a profile.
 * @param configured the value of $LIVELAB_MIRROR: base addresses separated by spaces, e.g. "http://mirror.example/debian"
 * @throws UsageError BAD_MIRROR if one of these is not an http or https address
 */
export async function findMirrors(
  profile: LockSpec,
  configured: string | undefined,
  signal?: AbortSignal,
): Promise<Mirrors> {
  const debian: Mirror[] = parseConfiguredMirrors(configured ?? "");
  const [targets, registry] = await Promise.all([
    outputOf("apt-get", ["indextargets", "--format", "$(REPO_URI) $(RELEASE)"], signal),
    outputOf("npm", ["config", "get", "registry"], signal),
  ]);
  const ofApt = parseIndexTargets(targets, suitesLike(profile));
  debian.push(...ofApt);
  for (const { archive, lastResorts } of profile.suites)
    debian.push(...lastResorts.map((url): Mirror => ({ url, origin: "the profile's archives", archive })));
  const address = registry.trim();
  const npmRegistry = isWebAddress(address) ? withSlash(address) : undefined;
  return { debian, npmRegistry, aptProxies: await findAptProxies(ofApt, signal) };
}

/**
 * The suites whose mirrors serve a profile's files. A mirror that has one present distribution of an archive has the others,
 * too: Debian 12's line in the host's configuration also gives the tools, which are from Debian 13.
 */
const suitesLike = ({ suites }: LockSpec): readonly Suite[] =>
  suites.every(({ archived }) => archived) ? suites : [...suites, ...allSuites.filter(({ archived }) => !archived)];

/** Proxy settings for requests to mirrors. */
export const proxyWith = (proxy: ProxySettings | undefined, { aptProxies }: Mirrors): ProxySettings => ({
  ...proxy,
  aptProxies,
});

async function findAptProxies(
  mirrors: readonly Mirror[],
  signal: AbortSignal | undefined,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  if (mirrors.length === 0) return found;
  const options = parseAptOptions(await outputOf("apt-config", APT_DUMP, signal));
  for (const { url } of mirrors) {
    const proxy = await aptProxyFor(url, options, (program, address) => outputOf(program, [address], signal));
    if (proxy !== undefined) found.set(url, proxy);
  }
  return found;
}

/** Reads $LIVELAB_MIRROR. @throws UsageError BAD_MIRROR */
export function parseConfiguredMirrors(configured: string): Mirror[] {
  return configured
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => {
      if (!isWebAddress(word))
        throw new UsageError("BAD_MIRROR", `LIVELAB_MIRROR: "${word}" is not an http or https address`, {
          hint: "write it like LIVELAB_MIRROR=http://mirror.example/debian",
        });
      return { url: withSlash(word), origin: "LIVELAB_MIRROR" };
    });
}

/** Picks the base addresses that serve one of the suites out of "<base address> <distribution>" lines, each once. */
export function parseIndexTargets(output: string, suites: readonly Suite[]): Mirror[] {
  const found = new Map<string, Mirror>();
  for (const line of output.split("\n")) {
    const [url = "", distribution = ""] = line.trim().split(/\s+/);
    const suite = suites.find((candidate) => candidate.distribution === distribution);
    if (suite === undefined || !isWebAddress(url)) continue;
    found.set(`${suite.archive} ${url}`, { url: withSlash(url), origin: "the host's apt", archive: suite.archive });
  }
  return [...found.values()];
}

/** The addresses of a locked file, in the order in which they are tried. */
export function addressesOf(file: LockedFile, profile: LockSpec, mirrors: Mirrors): string[] {
  switch (file.kind) {
    case "deb":
      return addressesInArchive(mirrors, suiteOf(profile, file.filename)?.archive, file.filename);
    case "npm": {
      if (mirrors.npmRegistry === undefined) return [];
      const bareName = file.name.slice(file.name.lastIndexOf("/") + 1);
      return [`${mirrors.npmRegistry}${file.name}/-/${bareName}-${file.version}.tgz`];
    }
    default:
      return file satisfies never;
  }
}

/** The addresses of a path below an archive's base. */
export function addressesInArchive(mirrors: Mirrors, archive: string | undefined, path: string): string[] {
  const asked = mirrors.debian.filter((mirror) => mirror.archive === undefined || mirror.archive === archive);
  // "+" and "~" need no escape; a "%" in a file name would be read as one.
  return [...new Set(asked.map((mirror) => mirror.url + path.replaceAll("%", "%25")))];
}

const isWebAddress = (text: string): boolean => /^https?:\/\/[^/\s]+/.test(text);
const withSlash = (url: string): string => (url.endsWith("/") ? url : `${url}/`);

/** Standard output of a command, or "" if it is missing or fails: each command is only one source of several. */
async function outputOf(command: string, args: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  try {
    return (await runProgram(command, args, { limitMs: 20_000, signal })).stdout;
  } catch (error) {
    if (error instanceof ProgramError) return "";
    throw error;
  }
}

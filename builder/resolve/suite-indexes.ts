/**
 * Fetches the indexes of a suite: InRelease and the Packages.xz files that it names.
 * apt in the builder machine verifies the signature with debian-archive-keyring; this module checks only digests.
 * Sources: wiki.debian.org/DebianRepository/Format; RFC 9580 7 (cleartext signatures).
 */
import { createReadStream } from "node:fs";
import { buffer } from "node:stream/consumers";
import { LivelabError } from "../../base/livelab-error.js";
import { InputError } from "../builder-error.js";
import { parseDeb822 } from "../profile/deb822.js";
import { type Digest, parseHexDigest } from "../profile/digest.js";
import type { LockSpec, Suite } from "../profile/profiles.js";
import { type DownloadOptions, download } from "../store/download.js";
import { httpGet, ProxyFailure } from "../store/http-get.js";
import { addressesInArchive, type Mirrors, proxyWith } from "../store/mirrors.js";

/** A file of a suite, with its path below the archive's base. */
export interface IndexFile {
  readonly path: string;
  readonly bytes: Buffer;
}

/**
 * Fetches the files that apt needs of a suite.
 * @throws InputError UNAVAILABLE, WRONG_DIGEST, MALFORMED; UsageError BAD_PROXY
 */
export async function fetchSuiteIndexes(
  suite: Suite,
  profile: LockSpec,
  mirrors: Mirrors,
  given: DownloadOptions,
): Promise<IndexFile[]> {
  const options = { ...given, proxy: proxyWith(given.proxy, mirrors) };
  const folder = `dists/${suite.distribution}`;
  const inRelease = await fetchInRelease(
    suite,
    addressesInArchive(mirrors, suite.archive, `${folder}/InRelease`),
    options,
  );
  const digests = parseInRelease(inRelease.toString("utf8"), `InRelease of ${suite.distribution}`);
  const files: IndexFile[] = [{ path: `${folder}/InRelease`, bytes: inRelease }];
  for (const component of suite.components) {
    const name = `${component}/binary-${profile.architecture}/Packages.xz`;
    const entry = digests.get(name);
    if (entry === undefined)
      throw new InputError("MALFORMED", `InRelease of ${suite.distribution} does not name ${name}`);
    // First by digest: under that path the file does not change while a mirror is being updated.
    const byHash = `${component}/binary-${profile.architecture}/by-hash/SHA256/${entry.digest.hex}`;
    const addresses = [byHash, name].flatMap((path) => addressesInArchive(mirrors, suite.archive, `${folder}/${path}`));
    if (!(await options.store.has(entry.digest, entry.size)))
      await download({ name: `${suite.distribution} ${name}`, ...entry, addresses }, options);
    const bytes = await buffer(createReadStream(options.store.pathOf(entry.digest)));
    files.push({ path: `${folder}/${name}`, bytes });
  }
  return files;
}

/** Returns the first InRelease that a mirror serves. The file changes often, so no digest of it is known. */
async function fetchInRelease(suite: Suite, addresses: readonly string[], options: DownloadOptions): Promise<Buffer> {
  const answers: string[] = [];
  let hint = "set a mirror that has it: LIVELAB_MIRROR=http://mirror.example/debian";
  for (const address of addresses) {
    try {
      const { proxy = {}, signal } = options;
      const response = await httpGet(address, { proxy, signal });
      if (response.status === 200) return await buffer(response.body);
      response.discard();
      answers.push(`\n  ${address}: ${response.statusLine}`);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof LivelabError) throw error;
      if (error instanceof ProxyFailure) hint = error.hint;
      answers.push(`\n  ${address}: ${(error as Error).message}`);
    }
  }
  throw new InputError("UNAVAILABLE", `InRelease of ${suite.distribution}: no mirror has it${answers.join("")}`, {
    hint,
  });
}

/** Reads the files that an InRelease names, by path below its folder. @throws InputError MALFORMED */
export function parseInRelease(text: string, name: string): Map<string, { digest: Digest; size: number }> {
  const signed = /^-----BEGIN PGP SIGNED MESSAGE-----\n(?:.+\n)*\n([\s\S]*?)\n-----BEGIN PGP SIGNATURE-----$/m.exec(
    text,
  );
  const [stanza] = parseDeb822(signed?.[1] ?? "", name);
  if (stanza === undefined) throw new InputError("MALFORMED", `${name} is not a signed Release file`);
  const files = new Map<string, { digest: Digest; size: number }>();
  for (const line of stanza.require("SHA256").split("\n")) {
    const [hex = "", size = "", path = ""] = line.trim().split(/\s+/);
    const digest = parseHexDigest("sha256", hex);
    if (digest !== undefined && path !== "") files.set(path, { digest, size: Number(size) });
  }
  return files;
}

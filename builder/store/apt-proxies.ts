/**
 * The proxies that the host's apt uses for its mirrors.
 * Sources: apt.conf(5) "Acquire::http::Proxy", "Proxy-Auto-Detect"; apt-transport-https(1), whose options fall back to
 * those of http; apt-config(8) for the format of the dump; apt-pkg/contrib/proxy.cc for the detector's output.
 */

/** Options of apt by lower-case name. */
export type AptOptions = ReadonlyMap<string, string>;

/** Arguments of apt-config for parseAptOptions(): a line "<name> <value>" for each option that has a value. */
export const APT_DUMP = ["dump", "--no-empty", "--format", "%F %v%n"];

export function parseAptOptions(dump: string): AptOptions {
  const lines = dump.split("\n").map((line) => /^(\S+) (.*)$/.exec(line));
  return new Map(lines.flatMap((match) => (match === null ? [] : [[(match[1] ?? "").toLowerCase(), match[2] ?? ""]])));
}

/**
 * The proxy that apt uses for an address of one of its mirrors, or undefined for none.
 * @param detect runs a program with the address as its argument; returns its output, or "" if it fails
 */
export async function aptProxyFor(
  address: string,
  options: AptOptions,
  detect: (program: string, address: string) => Promise<string>,
): Promise<string | undefined> {
  const { protocol, hostname } = new URL(address);
  const schemes = protocol === "https:" ? ["https", "http"] : ["http"];
  const option = (...names: readonly string[]): string | undefined =>
    schemes
      .flatMap((scheme) => names.map((name) => options.get(`acquire::${scheme}::${name}`)))
      .find((value) => value !== undefined);
  const ofHost = option(`proxy::${hostname}`);
  if (ofHost !== undefined) return asProxy(ofHost);
  const detector = option("proxy-auto-detect", "proxyautodetect");
  const [detected = ""] = detector === undefined ? [] : (await detect(detector, address)).trim().split("\n");
  return asProxy(detected === "" ? option("proxy") : detected);
}

/** "DIRECT" means no proxy in apt; "false" is the older word for it. */
const asProxy = (value: string | undefined): string | undefined =>
  value === undefined || /^(direct|false|)$/i.test(value.trim()) ? undefined : value.trim();

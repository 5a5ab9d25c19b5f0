/**
 * Chooses the proxy of a request: that of the environment, or for a mirror of the host's apt the one that apt uses.
 * Sources: curl(1) "ENVIRONMENT"; apt.conf(5) "Acquire::http::Proxy", which apt-proxies.ts reads.
 */
import { UsageError } from "../../base/livelab-error.js";
import { isExempt } from "./no-proxy.js";

/** The host's proxies. Each is an address; an address without a scheme is an HTTP proxy. */
export interface ProxySettings {
  readonly httpProxy?: string | undefined;
  readonly httpsProxy?: string | undefined;
  /** Hosts that are reached directly, in the format of isExempt(). */
  readonly noProxy?: string | undefined;
  /** apt's proxies by base address of each mirror in apt's sources. Used if the environment has no proxy. */
  readonly aptProxies?: ReadonlyMap<string, string> | undefined;
}

/**
 * Reads http_proxy, https_proxy, all_proxy and no_proxy, in lower or upper case; an empty variable counts as not set.
 * An upper-case HTTP_PROXY is ignored, as curl does: in a CGI program a client could set it (CVE-2016-5385).
 */
export function proxySettingsFrom(env: Readonly<Record<string, string | undefined>>): ProxySettings {
  const read = (...names: readonly string[]): string | undefined =>
    names.map((name) => env[name]?.trim()).find((value) => value !== undefined && value !== "");
  return {
    httpProxy: read("http_proxy", "all_proxy", "ALL_PROXY"),
    httpsProxy: read("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
    noProxy: read("no_proxy", "NO_PROXY"),
  };
}

/**
 * The proxy of a request, or undefined for none.
 * @throws UsageError BAD_PROXY if it is not an address, or has a scheme that livelab does not support
 */
export function proxyFor(target: URL, settings: ProxySettings): URL | undefined {
  if (isExempt(target, settings.noProxy ?? "")) return undefined;
  const variable = target.protocol === "https:" ? "https_proxy (or all_proxy)" : "http_proxy (or all_proxy)";
  const proxy = (target.protocol === "https:" ? settings.httpsProxy : settings.httpProxy)?.trim();
  if (proxy !== undefined && proxy !== "") return parseProxy(proxy, variable);
  const aptProxy = aptProxyFor(target, settings);
  return aptProxy === undefined ? undefined : parseProxy(aptProxy, "apt's Acquire::http::Proxy");
}

/** The settings for a redirect: apt's proxy of the mirror is also used for the target of the redirect. */
export function redirected(settings: ProxySettings, from: URL, to: URL): ProxySettings {
  const aptProxy = aptProxyFor(from, settings);
  if (aptProxy === undefined) return settings;
  return { ...settings, aptProxies: new Map([[to.href, aptProxy]]) };
}

const aptProxyFor = (target: URL, { aptProxies = new Map() }: ProxySettings): string | undefined =>
  [...aptProxies].find(([base]) => target.href.startsWith(base))?.[1];

const KNOWN_KINDS = ["http", "https", "socks", "socks5", "socks5h"];
const QUOTES = /["'`‘’“”]/;

/**
 * User name and password end at the last @ and may contain any character: a domain's user is written DOMAIN\user, as for
 * curl, and passwords contain / ? and #, which curl refuses or takes for the end of the host.
 * @param origin the setting that names it, for the message
 * @throws UsageError BAD_PROXY
 */
function parseProxy(text: string, origin: string): URL {
  const refuse = (why: string): UsageError =>
    new UsageError("BAD_PROXY", `the proxy ${JSON.stringify(withoutCredentials(text))} of ${origin} ${why}`, {
      hint: "write it like http://proxy.example:3128, https://proxy.example:3129 or socks5://proxy.example:1080",
    });
  const [, given, rest = ""] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(text) ?? [];
  const scheme = given?.toLowerCase() ?? "http";
  const hostAt = rest.lastIndexOf("@") + 1;
  const host = rest.slice(hostAt);
  if (QUOTES.test(text.charAt(0)) || QUOTES.test(host))
    throw refuse("contains quotes, which are not part of an address");
  if (!KNOWN_KINDS.includes(scheme)) throw refuse(`has a scheme that livelab does not support: ${scheme}`);
  if (given === undefined && startsWithBareScheme(text)) throw refuse("lacks // after its scheme");
  if (/^[^/?#]*:\/./s.test(host)) throw refuse("has a scheme where its host belongs");
  // A URL's host begins after the first of these characters, and a URL's parser drops tabs and line breaks.
  const credentials = rest.slice(0, hostAt).replace(/[\\/?#\s]/g, (character) => encodeURIComponent(character));
  // Parse it as an http address: these rules keep "[::1]" and reject invalid hosts.
  const address = `${credentials}${host}`;
  if (!URL.canParse(`http://${address}`)) throw refuse("is not an address");
  return new URL(`${scheme.startsWith("socks") ? "socks5" : scheme}://${address}`);
}

/** Whether it begins like "http:/proxy" or "http:proxy". "http:3128" is a host with a port. */
function startsWithBareScheme(text: string): boolean {
  const [, scheme = "", rest = ""] = /^([^:]*):(.*)$/s.exec(text) ?? [];
  return KNOWN_KINDS.includes(scheme.toLowerCase()) && !/^\d*\/?$/.test(rest);
}

/** Removes user name and password from a proxy's address, for messages and logs. */
export const withoutCredentials = (proxy: string): string => proxy.replace(/^([a-z0-9+.-]*:\/\/)?.*@/is, "$1");

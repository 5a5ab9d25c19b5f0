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

const KNOWN_KINDS = ["http:", "https:", "socks:", "socks5:", "socks5h:"];

/** @param origin the setting that names it, for the message @throws UsageError BAD_PROXY */
function parseProxy(text: string, origin: string): URL {
  const refuse = (why: string): UsageError =>
    new UsageError("BAD_PROXY", `the proxy ${JSON.stringify(withoutCredentials(text))} of ${origin} ${why}`, {
      hint: "write it like http://proxy.example:3128, https://proxy.example:3129 or socks5://proxy.example:1080",
    });
  const [, scheme = "http"] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text) ?? [];
  if (!KNOWN_KINDS.includes(`${scheme.toLowerCase()}:`))
    throw refuse(`has a scheme that livelab does not support: ${scheme}`);
  // Parse it as an http address: these rules keep "[::1]" and reject invalid hosts.
  const socks = scheme.toLowerCase().startsWith("socks");
  const address = text.replace(/^[a-z][a-z0-9+.-]*:\/\//i, "");
  if (!URL.canParse(`http://${address}`)) throw refuse("is not an address");
  return new URL(`${socks ? "socks5" : scheme}://${address}`);
}

/** Removes user name and password from a proxy's address, for messages and logs. */
export const withoutCredentials = (proxy: string): string => proxy.replace(/^([a-z0-9+.-]*:\/\/)?.*@/is, "$1");

/**
 * Which proxy a request goes through: the environment's, or for a mirror of the host's apt the one that apt uses.
 * Sources: curl(1) "ENVIRONMENT"; apt.conf(5) "Acquire::http::Proxy" by way of apt-proxies.ts.
 */
import { UsageError } from "../../base/livelab-error.js";
import { isExempt } from "./no-proxy.js";

/** The host's proxies. Each is an address; one without a scheme is an HTTP proxy. */
export interface ProxySettings {
  readonly httpProxy?: string | undefined;
  readonly httpsProxy?: string | undefined;
  /** What is reached directly, as isExempt() takes it. */
  readonly noProxy?: string | undefined;
  /** Proxies of apt by the base address of each mirror that is named in apt's sources, for where the environment has none. */
  readonly aptProxies?: ReadonlyMap<string, string> | undefined;
}

/**
 * Reads http_proxy, https_proxy, all_proxy and no_proxy, in lower or upper case; an empty one counts as not set.
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
 * The proxy that a request goes through, or undefined for none.
 * @throws UsageError BAD_PROXY when it is not an address, or of a kind that livelab does not speak
 */
export function proxyFor(target: URL, settings: ProxySettings): URL | undefined {
  if (isExempt(target, settings.noProxy ?? "")) return undefined;
  const variable = target.protocol === "https:" ? "https_proxy (or all_proxy)" : "http_proxy (or all_proxy)";
  const proxy = (target.protocol === "https:" ? settings.httpsProxy : settings.httpProxy)?.trim();
  if (proxy !== undefined && proxy !== "") return parseProxy(proxy, variable);
  const aptProxy = aptProxyFor(target, settings);
  return aptProxy === undefined ? undefined : parseProxy(aptProxy, "apt's Acquire::http::Proxy");
}

/** The settings for where a mirror redirects to: apt's proxy of the mirror holds there, too. */
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
    throw refuse(`is of a kind that livelab cannot use: ${scheme}`);
  // An address of the web is parsed by its rules, which keep "[::1]" and refuse what is no host.
  const socks = scheme.toLowerCase().startsWith("socks");
  const address = text.replace(/^[a-z][a-z0-9+.-]*:\/\//i, "");
  if (!URL.canParse(`http://${address}`)) throw refuse("is not an address");
  return new URL(`${socks ? "socks5" : scheme}://${address}`);
}

/** A proxy as messages show it: its user name and password stay out of logs. */
export const withoutCredentials = (proxy: string): string => proxy.replace(/^([a-z0-9+.-]*:\/\/)?.*@/is, "$1");

/**
 * One GET or HEAD over HTTP or HTTPS, through the host's proxy where it has one.
 * Node 20's fetch knows no proxies, and a download needs to stop at a silent peer, so this is node:http.
 * Sources: RFC 9110 7.2, 9.3.6 (CONNECT), 15.4 (redirects); curl(1) "http_proxy, https_proxy, no_proxy".
 * Not here: ranges, digests, retries (download.ts).
 */
import http from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import tls from "node:tls";

/** The host's proxy settings, as its environment gives them. */
export interface ProxySettings {
  readonly httpProxy?: string | undefined;
  readonly httpsProxy?: string | undefined;
  /** Comma-separated host suffixes that are reached directly; "*" for all. */
  readonly noProxy?: string | undefined;
}

/** Reads http_proxy, https_proxy and no_proxy; an upper-case HTTP_PROXY is ignored, as curl does (CVE-2016-5385). */
export function proxySettingsFrom(env: Readonly<Record<string, string | undefined>>): ProxySettings {
  return {
    httpProxy: env["http_proxy"],
    httpsProxy: env["https_proxy"] ?? env["HTTPS_PROXY"],
    noProxy: env["no_proxy"] ?? env["NO_PROXY"],
  };
}

export interface GetOptions {
  /** @default "GET" */
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** @default no proxy */
  readonly proxy?: ProxySettings;
  /** Longest silence of the peer, in milliseconds, before the request fails. @default 20_000 */
  readonly idleMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const MAX_REDIRECTS = 5;
const agents = {
  "http:": new http.Agent({ keepAlive: true, maxSockets: 16 }),
  "https:": new https.Agent({ keepAlive: true, maxSockets: 16 }),
};

/**
 * Asks for an address and follows redirects. The caller reads the body to its end or destroys it.
 * @throws Error of node:net, node:tls or node:http when the peer cannot be reached or falls silent; the signal's reason
 */
export async function httpGet(url: string, options: GetOptions = {}): Promise<http.IncomingMessage> {
  let target = new URL(url);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const response = await request(target, options);
    const { statusCode = 0, headers } = response;
    if (![301, 302, 303, 307, 308].includes(statusCode) || headers.location === undefined) return response;
    response.resume();
    target = new URL(headers.location, target);
  }
  throw new Error(`more than ${MAX_REDIRECTS} redirects`);
}

async function request(target: URL, options: GetOptions): Promise<http.IncomingMessage> {
  const { method = "GET", headers = {}, proxy = {}, idleMs = 20_000, signal } = options;
  signal?.throwIfAborted();
  if (target.protocol !== "http:" && target.protocol !== "https:")
    throw new Error(`${target.protocol} is neither http: nor https:`);
  const through = proxyFor(target, proxy);
  const common = {
    method,
    headers: { "User-Agent": "livelab", Accept: "*/*", ...headers },
    ...(signal === undefined ? {} : { signal }),
  };
  let request: http.ClientRequest;
  if (through === undefined) {
    request =
      target.protocol === "https:"
        ? https.request(target, { ...common, agent: agents["https:"] })
        : http.request(target, { ...common, agent: agents["http:"] });
  } else if (target.protocol === "http:") {
    request = http.request(through, {
      ...common,
      headers: { ...common.headers, Host: target.host, ...proxyAuthorization(through) },
      path: target.href,
      agent: agents["http:"],
    });
  } else {
    const socket = await connectThrough(through, target, idleMs, signal);
    request = https.request(target, { ...common, createConnection: () => socket }); // an agent would ignore the socket
  }
  return await new Promise((resolve, reject) => {
    request.setTimeout(idleMs, () => request.destroy(new Error(`silent for ${idleMs} ms`)));
    request.once("error", reject);
    request.once("response", (response) => {
      request.off("error", reject);
      request.on("error", (error) => response.destroy(error)); // a timeout while the body comes
      resolve(response);
    });
    request.end();
  });
}

/** The proxy that a request goes through, or undefined for none. */
export function proxyFor(target: URL, settings: ProxySettings): URL | undefined {
  const proxy = target.protocol === "https:" ? settings.httpsProxy : settings.httpProxy;
  if (proxy === undefined || proxy === "") return undefined;
  const direct = (settings.noProxy ?? "").split(",").some((entry) => {
    const suffix = entry.trim().replace(/^\*?\./, "");
    return suffix === "*" || (suffix !== "" && (target.hostname === suffix || target.hostname.endsWith(`.${suffix}`)));
  });
  return direct ? undefined : new URL(proxy.includes("://") ? proxy : `http://${proxy}`);
}

function proxyAuthorization(proxy: URL): Record<string, string> {
  if (proxy.username === "") return {};
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { "Proxy-Authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
}

/** A TLS socket to the target inside a CONNECT tunnel of the proxy. */
async function connectThrough(
  proxy: URL,
  target: URL,
  idleMs: number,
  signal: AbortSignal | undefined,
): Promise<tls.TLSSocket> {
  const authority = `${target.hostname}:${target.port || "443"}`;
  const plain = await new Promise<Socket>((resolve, reject) => {
    const request = http.request({
      host: proxy.hostname,
      port: proxy.port || "80",
      method: "CONNECT",
      path: authority,
      headers: { Host: authority, ...proxyAuthorization(proxy) },
      agent: false,
      ...(signal === undefined ? {} : { signal }),
    });
    request.setTimeout(idleMs, () => request.destroy(new Error(`the proxy was silent for ${idleMs} ms`)));
    request.once("error", reject);
    request.once("connect", (response, socket) => {
      if (response.statusCode === 200) resolve(socket);
      else {
        socket.destroy();
        reject(new Error(`the proxy ${proxy.host} answered ${response.statusCode} to CONNECT ${authority}`));
      }
    });
    request.once("response", (response) => {
      response.destroy();
      reject(new Error(`the proxy ${proxy.host} answered ${response.statusCode} to CONNECT ${authority}`));
    });
    request.end();
  });
  return tls.connect({ socket: plain, servername: target.hostname });
}

/**
 * Sends one GET or HEAD over HTTP or HTTPS, through the host's proxy if it has one.
 * Sources: RFC 9110 7.2, 9.3.6 (CONNECT), 15.4 (redirects), 15.5.8 (407); RFC 9112 3.2.2 (absolute-form); RFC 1928 (SOCKS 5).
 */
import { isIP, type Socket } from "node:net";
import type { buildConnector, Dispatcher } from "undici";
import { type ProxySettings, proxyFor, redirected, withoutCredentials } from "./proxy-settings.js";

export { type ProxySettings, proxyFor, proxySettingsFrom } from "./proxy-settings.js";

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

export interface HttpResponse {
  readonly status: number;
  /** E.g. "404 Not Found". Names the proxy if there was one, because the answer may be the proxy's own. */
  readonly statusLine: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Fails with an Error whose message names the cause, e.g. silence or a broken connection. */
  readonly body: AsyncIterable<Buffer>;
  /** Discards the unread rest of the body. Has no effect after the body's end. */
  discard(): void;
}

/** The error of a proxy that cannot be reached or refused the request. */
export class ProxyFailure extends Error {
  override readonly name = "ProxyFailure";
  /** Remedy for the reader. */
  readonly hint: string;
  /** Whether a later try may succeed. */
  readonly mayPass: boolean;

  constructor(message: string, options: { hint: string; mayPass: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.hint = options.hint;
    this.mayPass = options.mayPass;
  }
}

/** undici is loaded with the first request: it has 130 files, and most commands of livelab send no request. */
type Undici = typeof import("undici");

const MAX_REDIRECTS = 5;
const MAX_CONNECTIONS = 16;
/** Longest rest of a discarded answer that is still read, in bytes, so that its connection can serve the next request. */
const READ_ON_BYTES = 16_384;
const REDIRECTS = [301, 302, 303, 307, 308];
const PROXY_AUTHENTICATION_REQUIRED = 407;

/**
 * Requests an address and follows redirects. The caller reads the body to its end or discards it.
 * @throws UsageError BAD_PROXY before a request is sent; ProxyFailure; Error with a plain message if the peer cannot be
 * reached or stops sending; the signal's reason
 */
export async function httpGet(url: string, options: GetOptions = {}): Promise<HttpResponse> {
  let target = new URL(url);
  let { proxy = {} } = options;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const response = await get(target, { ...options, proxy });
    const { location } = response.headers;
    if (!REDIRECTS.includes(response.status) || location === undefined) return response;
    response.discard();
    const next = new URL(location, target);
    proxy = redirected(proxy, target, next);
    target = next;
  }
  throw new Error(`more than ${MAX_REDIRECTS} redirects`);
}

async function get(target: URL, options: GetOptions & { readonly proxy: ProxySettings }): Promise<HttpResponse> {
  const { method = "GET", idleMs = 20_000, signal } = options;
  signal?.throwIfAborted();
  if (target.protocol !== "http:" && target.protocol !== "https:")
    throw new Error(`${target.protocol} is neither http: nor https:`);
  const proxy = proxyFor(target, options.proxy);
  const undici = await import("undici");
  const way = wayTo(undici, target, proxy, connectionsOf(signal), idleMs);
  const headers = {
    "user-agent": "livelab",
    accept: "*/*",
    ...(hasCredentials(target) ? { authorization: basic(target) } : {}),
    ...way.headers,
    ...options.headers,
  };
  const { dispatcher, origin, path } = way;
  const limits = { headersTimeout: idleMs, bodyTimeout: idleMs, signal: signal ?? null };
  let answer: Dispatcher.ResponseData;
  try {
    answer = await dispatcher.request({ origin, path, method, headers, ...limits });
  } catch (error) {
    signal?.throwIfAborted();
    throw proxy === undefined ? inWords(error, idleMs) : proxyFailure(proxy, target, error, idleMs);
  }
  const { body, statusCode, statusText } = answer;
  body.on("error", () => undefined); // a discarded body ends with an error
  if (proxy !== undefined && statusCode === PROXY_AUTHENTICATION_REQUIRED) {
    body.destroy();
    throw refusedByProxy(proxy, statusCode, `${method} ${target.origin}`, target);
  }
  const by = proxy === undefined ? "" : ` (through the proxy ${shown(proxy)})`;
  return {
    status: statusCode,
    statusLine: `${`${statusCode} ${statusText}`.trim()}${by}`,
    headers: single(answer.headers),
    body: chunksOf(body, idleMs),
    discard: () => void body.dump({ limit: READ_ON_BYTES }).catch(() => undefined),
  };
}

async function* chunksOf(body: AsyncIterable<Buffer>, idleMs: number): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (error) {
    throw inWords(error, idleMs);
  }
}

/** The connection and the form of a request. */
interface Way {
  readonly dispatcher: Dispatcher;
  readonly origin: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function wayTo(undici: Undici, target: URL, proxy: URL | undefined, connections: Connections, idleMs: number): Way {
  const { origin } = target;
  const path = `${target.pathname}${target.search}`;
  const connect = connections.connector(undici, idleMs);
  const direct = (): Dispatcher =>
    connections.dispatcher(`direct ${idleMs}`, () => new undici.Agent({ connect, connections: MAX_CONNECTIONS }));
  if (proxy === undefined) return { dispatcher: direct(), origin, path };
  const through = (make: () => Dispatcher): Dispatcher => connections.dispatcher(`${proxy.href} ${idleMs}`, make);
  if (proxy.protocol === "socks5:")
    return { dispatcher: through(() => socksAgent(undici, proxy, connect)), origin, path };
  const authorization = hasCredentials(proxy) ? { "proxy-authorization": basic(proxy) } : {};
  if (target.protocol === "http:") {
    const path = `${origin}${target.pathname}${target.search}`;
    return { dispatcher: direct(), origin: proxy.origin, path, headers: { host: target.host, ...authorization } };
  }
  const tunnel = (): Dispatcher =>
    new undici.ProxyAgent({
      uri: proxy.origin,
      headers: authorization,
      requestTls: { timeout: idleMs },
      connections: MAX_CONNECTIONS,
      // The limit on silence also applies to a proxy's answer to CONNECT.
      clientFactory: (address) => new undici.Pool(address, { connect, headersTimeout: idleMs }),
    });
  return { dispatcher: through(tunnel), origin, path };
}

function socksAgent(undici: Undici, proxy: URL, connect: buildConnector.connector): Dispatcher {
  const { emitWarning } = process;
  // undici warns on stderr that its SOCKS agent is experimental; users of livelab cannot change that.
  process.emitWarning = () => undefined;
  try {
    return new undici.Socks5ProxyAgent(`socks5://${proxy.host}`, {
      ...(hasCredentials(proxy) ? { username: decoded(proxy.username), password: decoded(proxy.password) } : {}),
      connect,
    });
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** The connections of one operation. They are closed at its end: an open connection would keep the process alive. */
class Connections {
  readonly #dispatchers = new Map<string, Dispatcher>();
  readonly #sockets = new Set<Socket>();

  dispatcher(key: string, make: () => Dispatcher): Dispatcher {
    const dispatcher = this.#dispatchers.get(key) ?? make();
    this.#dispatchers.set(key, dispatcher);
    return dispatcher;
  }

  connector(undici: Undici, idleMs: number): buildConnector.connector {
    const connect = undici.buildConnector({ timeout: idleMs });
    return (options, callback) => {
      const hostname = withoutBrackets(options.hostname);
      const { servername, ...others } = options;
      // An address must not be used as server name (RFC 6066 3), but undici sends it to a proxy. Without a name it is null.
      const name = servername && isIP(withoutBrackets(servername)) === 0 ? { servername } : {};
      const socket = connect({ ...others, hostname, ...name }, callback) as unknown as Socket;
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    };
  }

  end(reason: Error): void {
    for (const dispatcher of this.#dispatchers.values()) void dispatcher.destroy(reason).catch(() => undefined);
    this.#dispatchers.clear();
    // undici does not close connections that are still being made.
    for (const socket of this.#sockets) socket.destroy(reason);
  }
}

const unlimited = new Connections();
const bySignal = new WeakMap<AbortSignal, Connections>();

function connectionsOf(signal: AbortSignal | undefined): Connections {
  if (signal === undefined) return unlimited;
  const known = bySignal.get(signal);
  if (known !== undefined) return known;
  const connections = new Connections();
  bySignal.set(signal, connections);
  signal.addEventListener("abort", () => connections.end(new Error("cancelled")), { once: true });
  return connections;
}

const withoutBrackets = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, "$1");
const hasCredentials = ({ username, password }: URL): boolean => username !== "" || password !== "";

/** The credentials of an address for Basic authentication (RFC 7617). */
const basic = ({ username, password }: URL): string =>
  `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString("base64")}`;

/** Decodes percent-encoded text. A "%" that is not part of an escape is kept, e.g. in a password that is not encoded. */
const decoded = (text: string): string =>
  Buffer.from(
    text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    "latin1",
  ).toString();

/** Keeps one value for each header: the last, if it came more than once. */
const single = (headers: Readonly<Record<string, string | readonly string[] | undefined>>) =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? value : value?.at(-1)]),
  );

const shown = (proxy: URL): string => withoutCredentials(proxy.href).replace(/\/$/, "");

/** Converts the error of a connection to one with a plain message. */
function inWords(error: unknown, idleMs: number): Error {
  if (error instanceof AggregateError) {
    return new Error(error.errors.map((each) => inWords(each, idleMs).message).join(", "), { cause: error });
  }
  if (!(error instanceof Error)) return new Error(String(error));
  switch ((error as NodeJS.ErrnoException).code) {
    case "UND_ERR_HEADERS_TIMEOUT":
    case "UND_ERR_BODY_TIMEOUT":
      return new Error(`silent for ${idleMs} ms`, { cause: error });
    case "UND_ERR_CONNECT_TIMEOUT":
      return new Error(`no connection within ${idleMs} ms`, { cause: error });
    case "UND_ERR_SOCKET":
    case "ECONNRESET":
    case "EPIPE":
      return new Error("the connection was lost", { cause: error });
    default:
      return error;
  }
}

/** The error of a request through a proxy. undici reports a refused tunnel with a status in its message. */
function proxyFailure(proxy: URL, target: URL, error: unknown, idleMs: number): ProxyFailure {
  const [, status] = /^Proxy response \((\d+)\)/.exec(error instanceof Error ? error.message : "") ?? [];
  if (status !== undefined) {
    return refusedByProxy(proxy, Number(status), `CONNECT ${target.hostname}:${target.port || "443"}`, target, error);
  }
  const { message } = inWords(error, idleMs);
  return new ProxyFailure(`through the proxy ${shown(proxy)}: ${message}`, {
    hint: `correct the proxy's address, or reach ${target.hostname} without a proxy: no_proxy=${target.hostname}`,
    mayPass: true,
    cause: error,
  });
}

function refusedByProxy(proxy: URL, status: number, asked: string, target: URL, cause?: unknown): ProxyFailure {
  const hint =
    status === PROXY_AUTHENTICATION_REQUIRED
      ? `add user name and password to the proxy's address: ${proxy.protocol}//USER:PASSWORD@${proxy.host}`
      : `allow ${target.hostname} in the proxy, or reach it without a proxy: no_proxy=${target.hostname}`;
  return new ProxyFailure(`the proxy ${proxy.host} answered ${status} to ${asked}`, {
    hint,
    mayPass: status >= 500 || status === 429 || status === 408,
    cause,
  });
}

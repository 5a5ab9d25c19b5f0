/**
 * The list of hosts that are reached without a proxy: names with all below them, addresses, networks, each with a port or
 * without; separated by commas or spaces.
 * Sources: curl(1) "NO_PROXY" and lib/noproxy.c (7.86); docs.gitlab.com "no_proxy" for ports, "*.name" and "*" in a list.
 */
import { BlockList, isIP } from "node:net";
import { domainToASCII } from "node:url";

/** Whether a list in the form of $no_proxy names the host of `target`. Names are not resolved. */
export function isExempt(target: URL, noProxy: string): boolean {
  const host = bare(target.hostname).replace(/\.$/, "").toLowerCase();
  const port = target.port || (target.protocol === "https:" ? "443" : "80");
  return noProxy
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .map(parseEntry)
    .some((entry) => (entry.port === undefined || entry.port === port) && names(entry.hosts, host));
}

interface Entry {
  /** "*", a name, an address or a network. */
  readonly hosts: string;
  readonly port: string | undefined;
}

/** Splits off the port: an IPv6 address has colons of its own, and a port only behind brackets. */
function parseEntry(text: string): Entry {
  const [, bracketed, prefix = "", port] = /^\[(.*)\](\/\d+)?(?::(\d+))?$/.exec(text) ?? [];
  if (bracketed !== undefined) return { hosts: bracketed + prefix, port };
  const [, hosts, plainPort] = /^([^:]+):(\d+)$/.exec(text) ?? [];
  return { hosts: hosts ?? text, port: plainPort };
}

function names(hosts: string, host: string): boolean {
  if (hosts === "*") return true;
  const [address = "", prefix] = hosts.split("/", 2);
  if (isIP(address) !== 0) return isInNetwork(host, bare(address), prefix);
  if (isIP(host) !== 0) return false; // "0.0.1" is no domain that 127.0.0.1 is in
  const domain = domainToASCII(hosts.replace(/^\*?\.+|\.+$/g, ""));
  return domain !== "" && (host === domain || host.endsWith(`.${domain}`));
}

/** @param prefix length of the network's prefix in bits; undefined for the address alone */
function isInNetwork(host: string, address: string, prefix: string | undefined): boolean {
  const family = (ip: string): "ipv4" | "ipv6" => (isIP(ip) === 4 ? "ipv4" : "ipv6");
  const longest = isIP(address) === 4 ? 32 : 128;
  const bits = prefix === undefined ? longest : /^\d+$/.test(prefix) ? Number(prefix) : Number.NaN;
  if (isIP(host) === 0 || !(bits <= longest)) return false;
  const network = new BlockList();
  network.addSubnet(address, bits, family(address));
  return network.check(host, family(host));
}

/** An IPv6 address without the brackets that it has in URLs. */
const bare = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, "$1");

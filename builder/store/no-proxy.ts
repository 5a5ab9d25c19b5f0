/**
 * The list of hosts that are reached without a proxy: domain names with their subdomains, addresses and networks, each with
 * or without a port, separated by commas or spaces.
 * Sources: curl(1) "NO_PROXY" and lib/noproxy.c (7.86); docs.gitlab.com "no_proxy" for ports, "*.name" and "*" in a list.
 */
import { BlockList, isIP } from "node:net";
import { domainToASCII } from "node:url";

/** Whether a list in the format of $no_proxy contains the host of `target`. Names are not resolved. */
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

/** Splits off the port. An IPv6 address contains colons itself, so it has a port only after brackets. */
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
  if (isIP(host) !== 0) return false; // an address is in no domain: "0.0.1" does not match 127.0.0.1
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

/** Removes the brackets that an IPv6 address has in a URL. */
const bare = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, "$1");

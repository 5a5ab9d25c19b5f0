/**
 * Reads networking.json: extracts what the headnode needs, and collects warnings.
 * The CN gets the bytes unchanged, even if they are broken.
 * Sources: sdc-booter lib/net-file.js (fields, defaults, SHA-1); sdc-napi (NIC objects);
 * proto/usr/triton/lib/early-boot/networking-{values,links}.jq (which values the image accepts).
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIPv4 } from "node:net";
import { z } from "zod";
import { UsageError } from "../../base/livelab-error.js";
import { brokenNameLimit } from "./domain-name.js";
import type { FileWarning } from "./file-warning.js";
import { isHostAddress, isNetmask, isSameNetwork } from "./ipv4.js";
import { findJsonError } from "./json-error-place.js";
import { isNicMac } from "./nic-mac.js";
import { ADMIN_TAG, type NicTags } from "./nic-tags.js";

// A text that is not an address is not checked further.
const ipv4 = z.string().refine(isIPv4, { error: "is not an IPv4 address", abort: true });
const hostAddress = ipv4.refine(isHostAddress, "is not the address of a host");

const vnicSchema = z.object({
  mac: z.string().refine(isNicMac, "is not the MAC address of a NIC"),
  ip: hostAddress,
  netmask: ipv4.refine(isNetmask, "is not a netmask"),
  nic_tag: z.string().min(1, "is empty"),
  vlan_id: z
    .number()
    .refine((id) => Number.isInteger(id) && id >= 0 && id <= 4094, "is not a VLAN (1 to 4094)")
    .optional(),
  mtu: z
    .number()
    .refine((mtu) => Number.isInteger(mtu) && mtu >= 576 && mtu <= 9000, "is not an MTU (576 to 9000)")
    .optional(),
  gateway: hostAddress.optional(),
  resolvers: z.array(z.string()).optional(),
  // The image reads the routes of the whole file, so these cause no warning.
  routes: z.record(z.string(), z.string()).optional().catch(undefined),
});

/** Fields that booter does not need to give the CN its address. Wrong ones are left out. */
const dispensable = ["vlan_id", "mtu", "gateway", "resolvers"];

const nictagSchema = z.object({ name: z.string(), mac: z.string() });
const aggregationSchema = z.object({
  name: z.string(),
  macs: z.array(z.string()),
  lacp_mode: z.string().optional(),
  nic_tags_provided: z.array(z.string()).optional(),
});
const providerSchema = z.object({ mac: z.string(), nic_tags_provided: z.array(z.string()) });

/** A NIC of the CN with an address. */
export type Vnic = z.infer<typeof vnicSchema>;

// Each field, vnic and resolver is checked separately, so that a wrong one does not hide the others.
const fieldSchemas = {
  admin_tag: z.string(),
  resolvers: z.array(z.unknown()),
  vnics: z.array(z.unknown()),
  dns_domain: z.string(),
  hostname: z.string(),
  datacenter_name: z.string(),
  routes: z.record(z.string(), z.unknown()),
  nictag_rules: z.record(z.string(), z.unknown()),
};
type Fields = { [Name in keyof typeof fieldSchemas]?: z.infer<(typeof fieldSchemas)[Name]> | undefined } & {
  readonly nictags?: unknown;
  readonly aggregations?: unknown;
};

export interface NetworkingFile {
  /** The file as the caller named it. */
  readonly path: string;
  readonly bytes: Buffer;
  /** Content of networking.json.hash: SHA-1, 40 lower-case hex digits. */
  readonly sha1: string;
  /** The vnic on the admin tag, or undefined if the file has none. */
  readonly adminVnic: Vnic | undefined;
  /** All well-formed vnics. */
  readonly vnics: readonly Vnic[];
  /** The admin NIC's resolvers first, then the others, no duplicates. */
  readonly resolvers: readonly string[];
  /** Undefined if the file has no hostname, or one that a kernel command line cannot hold. */
  readonly hostname: string | undefined;
  readonly dnsDomain: string | undefined;
  readonly nicTags: NicTags;
  readonly warnings: readonly FileWarning[];
}

const askBooter = "let booter write it again (a DHCPDISCOVER from the CN triggers that), or correct it by hand";

/** Reads and checks a networking.json. @throws UsageError NETWORKING_UNREADABLE */
export async function readNetworkingFile(path: string): Promise<NetworkingFile> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new UsageError("NETWORKING_UNREADABLE", `cannot read networking.json: ${(cause as Error).message}`, {
      cause,
      hint: "pass an existing file with --networking, e.g. fixtures/networking.json",
    });
  }
  return parseNetworkingFile(path, bytes);
}

/** Checks the bytes of a networking.json. @param path the file's name in messages */
export function parseNetworkingFile(path: string, bytes: Buffer): NetworkingFile {
  const warnings: FileWarning[] = [];
  const warn = (place: string, problem: string, remedy: string): void => {
    warnings.push({ file: path, place, problem, remedy });
  };

  const fields = parseFields(bytes, warn);
  const usableResolvers = (list: unknown): string[] =>
    Array.isArray(list) ? list.filter((each): each is string => typeof each === "string" && isIPv4(each)) : [];
  const vnics: Vnic[] = [];
  for (const [index, entry] of (fields?.vnics ?? []).entries()) {
    const vnic = judgeVnic(entry, usableResolvers, (path, problem, remedy) =>
      warn(formatPlace(["vnics", index, ...path]), problem, remedy),
    );
    if (vnic !== undefined) vnics.push(vnic);
  }
  warnOfResolvers(fields, warn);
  warnOfNames(fields, warn);

  const adminTag = fields?.admin_tag ?? ADMIN_TAG;
  const adminVnic = vnics.find((vnic) => vnic.nic_tag === adminTag);
  const resolvers = [
    ...new Set([...usableResolvers(fields?.resolvers), ...vnics.flatMap((vnic) => vnic.resolvers ?? [])]),
  ];
  if (fields !== undefined) {
    if ((fields.vnics ?? []).length === 0) {
      warn("vnics", "has no vnics, so the CN has no NIC to configure", askBooter);
    } else if (adminVnic === undefined) {
      warn(
        "vnics",
        `no usable vnic has the nic_tag "${adminTag}" (admin_tag)`,
        `give one vnic that tag, or ${askBooter}`,
      );
    }
    if (resolvers.length === 0) {
      warn("resolvers", "is missing or empty, so the CN has no DNS", "set resolvers on the admin network in NAPI");
    }
  }

  return {
    path,
    bytes,
    sha1: createHash("sha1").update(bytes).digest("hex"),
    adminVnic,
    vnics,
    resolvers,
    hostname: oneWord(fields?.hostname),
    dnsDomain: fields?.dns_domain,
    nicTags: nicTagsOf(fields, adminTag),
    warnings,
  };
}

/** @returns undefined for a hostname that is not one word of printable ASCII; the kernel gets no hostname then */
const oneWord = (name: string | undefined): string | undefined =>
  name !== undefined && /^[\x21-\x7e]+$/.test(name) ? name : undefined;

/**
 * booter lists the tags of nictags in the order of the NICs, and names at each the NIC or aggregation that provides it. NICs
 * without an address appear nowhere else. A vnic lists its own tags in their order.
 */
function nicTagsOf(fields: Fields | undefined, adminTag: string): NicTags {
  const nictags = wellFormed(nictagSchema, fields?.nictags);
  const aggregations = wellFormed(aggregationSchema, fields?.aggregations);
  const providers = wellFormed(providerSchema, fields?.vnics);
  const namedBy = (provider: string): string[] => nictags.filter(({ mac }) => mac === provider).map(({ name }) => name);
  const names = aggregations.map(({ name }) => name);
  const macs = new Set([...nictags, ...providers].map(({ mac }) => mac).filter((mac) => !names.includes(mac)));
  return {
    adminTag,
    nics: [...macs].map((mac) => ({
      mac,
      tags: unique([
        ...providers.filter((vnic) => vnic.mac === mac).flatMap((vnic) => vnic.nic_tags_provided),
        ...namedBy(mac),
      ]),
    })),
    aggregations: aggregations.map(({ name, macs: members, lacp_mode, nic_tags_provided }) => ({
      name,
      macs: members,
      lacpMode: lacp_mode,
      tags: unique([...(nic_tags_provided ?? []), ...namedBy(name)]),
    })),
  };
}

const unique = (texts: readonly string[]): readonly string[] => [...new Set(texts)];

type Warn = (place: string, problem: string, remedy: string) => void;

function parseFields(bytes: Buffer, warn: Warn): Fields | undefined {
  const text = bytes.toString("utf8").replace(/^\ufeff/, ""); // as jq reads it for the image
  const mistake = findJsonError(text);
  if (mistake !== undefined) {
    warn(`${mistake.line}:${mistake.column}`, `is not JSON (found ${JSON.stringify(mistake.found)})`, askBooter);
    return undefined;
  }
  const parsed = z.record(z.string(), z.unknown()).safeParse(JSON.parse(text));
  if (!parsed.success) {
    warn("", "is not a JSON object", askBooter);
    return undefined;
  }
  const given = parsed.data;
  const judged = Object.entries(fieldSchemas).flatMap(([name, schema]) => {
    const { data, error } = schema.safeParse(given[name]);
    // null counts as absent.
    if (error === undefined || given[name] === undefined || given[name] === null) return [[name, data] as const];
    for (const issue of error.issues) warn(formatPlace([name, ...issue.path]), issue.message, askBooter);
    return [];
  });
  return { nictags: given["nictags"], aggregations: given["aggregations"], ...Object.fromEntries(judged) };
}

/** The vnic, or undefined if it names no usable NIC or address. Other wrong fields are left out. */
function judgeVnic(
  entry: unknown,
  usableResolvers: (list: unknown) => string[],
  warn: (path: readonly PropertyKey[], problem: string, remedy: string) => void,
): Vnic | undefined {
  const given = z.record(z.string(), z.unknown()).safeParse(entry).data;
  if (given === undefined) {
    warn([], "is not an object", `${askBooter}; the CN skips it`);
    return undefined;
  }
  const fields = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  if (Array.isArray(fields["resolvers"])) fields["resolvers"] = usableResolvers(fields["resolvers"]);
  for (const issue of vnicSchema.safeParse(fields).error?.issues ?? []) {
    const name = String(issue.path[0] ?? "");
    const isDispensable = dispensable.includes(name);
    const isSkipped = !isDispensable || name === "vlan_id";
    warn(issue.path, issue.message, `${askBooter}; the CN ${isSkipped ? "may skip this NIC" : "does without it"}`);
    if (isDispensable) delete fields[name];
  }
  const vnic = vnicSchema.safeParse(fields).data;
  if (vnic?.gateway === undefined) return vnic;
  const { gateway, ...others } = vnic;
  if (gateway !== vnic.ip && isSameNetwork(gateway, vnic.ip, vnic.netmask)) return vnic;
  warn(
    ["gateway"],
    `is not on the vnic's network: ${gateway}`,
    "correct the network's gateway in NAPI; the CN does without it",
  );
  return others;
}

/** Warns of each wrong resolver once, at its first place: booter lists a NIC's resolvers at the NIC and at the top. */
function warnOfResolvers(fields: Fields | undefined, warn: Warn): void {
  const seen = new Set<string>();
  const judge = (list: unknown, place: readonly PropertyKey[]): void => {
    for (const [index, each] of (Array.isArray(list) ? list : []).entries()) {
      if ((typeof each === "string" && isIPv4(each)) || seen.has(JSON.stringify(each))) continue;
      seen.add(JSON.stringify(each));
      const problem = `is not an IPv4 address: ${JSON.stringify(each)}`;
      warn(formatPlace([...place, index]), problem, "correct the network's resolvers in NAPI; the CN does without it");
    }
  };
  judge(fields?.resolvers, ["resolvers"]);
  for (const [index, vnic] of (fields?.vnics ?? []).entries()) {
    judge((vnic as { resolvers?: unknown } | null)?.resolvers, ["vnics", index, "resolvers"]);
  }
}

/** Warns of a hostname and a domain that a kernel command line cannot hold, or that the image or systemd ignores. */
function warnOfNames(fields: Fields | undefined, warn: Warn): void {
  const judge = (place: "hostname" | "dns_domain", problemOf: (name: string) => string | undefined, remedy: string) => {
    const name = fields?.[place];
    const problem = name === undefined ? undefined : problemOf(name);
    if (problem !== undefined) warn(place, problem, remedy);
  };
  const nameProblem = (name: string): string | undefined => {
    if (!isHostName(name)) {
      return "is not a name of at most 64 letters, digits, dots and hyphens, so the image does not use it";
    }
    const broken = brokenNameLimit(name);
    return broken && `${broken}, so systemd may ignore it`;
  };
  const hostnameProblem = (name: string): string | undefined =>
    oneWord(name) === undefined
      ? "is not one word of printable ASCII, so a kernel command line cannot hold it"
      : nameProblem(name);
  judge("hostname", hostnameProblem, "correct the server's hostname in CNAPI");
  judge("dns_domain", nameProblem, "correct it in SAPI");
}

/** The image's rule (is_host_name in networking-values.jq). */
const isHostName = (name: string): boolean =>
  name.length <= 64 && /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(name);

/** The well-formed entries of a list. The CN itself reports the others. */
function wellFormed<T>(schema: z.ZodType<T>, list: unknown): T[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry) => schema.safeParse(entry).data ?? []);
}

/** ["vnics", 0, "ip"] → "vnics[0].ip" */
function formatPlace(path: readonly PropertyKey[]): string {
  return path
    .map((key, i) => (typeof key === "number" ? `[${key}]` : i === 0 ? String(key) : `.${String(key)}`))
    .join("");
}

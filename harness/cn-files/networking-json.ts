/**
 * networking.json, read once at the edge: what the headnode needs of it, and what is wrong with it.
 * The bytes go to the CN as they are, however broken.
 * Source: sdc-booter lib/net-file.js (fields, defaults, SHA-1); sdc-napi (NIC objects).
 * Not here: what the image makes of it (proto/).
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIPv4 } from "node:net";
import { z } from "zod";
import { UsageError } from "../../base/livelab-error.js";
import type { FileWarning } from "./file-warning.js";
import { isNetmask } from "./ipv4.js";
import { findJsonError } from "./json-error-place.js";

const ipv4 = z.string().refine(isIPv4, "is not an IPv4 address");

const vnicSchema = z.object({
  mac: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i, "is not a MAC address"),
  ip: ipv4,
  netmask: ipv4.refine(isNetmask, "is not a netmask"),
  nic_tag: z.string().min(1, "is empty"),
  vlan_id: z.number().int().optional(),
  mtu: z.number().int().optional(),
  gateway: ipv4.optional(),
  resolvers: z.array(z.string()).optional(),
});

/** What a vnic can do without: the image configures the NIC all the same. */
const dispensable = ["mtu", "gateway", "resolvers"];

const nictagSchema = z.object({ name: z.string(), mac: z.string() });
const aggregationSchema = z.object({ name: z.string(), macs: z.array(z.string()), lacp_mode: z.string() });

/** A NIC of the CN that has an address. */
export type Vnic = z.infer<typeof vnicSchema>;

// Each field is judged on its own, as is each vnic and each resolver, so that one that is wrong does not hide the others.
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
  /** The file as it was named. */
  readonly path: string;
  readonly bytes: Buffer;
  /** What networking.json.hash says: SHA-1, 40 lower-case hex digits. */
  readonly sha1: string;
  /** The vnic on the admin tag, or undefined when the file does not tell of one. */
  readonly adminVnic: Vnic | undefined;
  /** All well-formed vnics. */
  readonly vnics: readonly Vnic[];
  /** The admin NIC's resolvers first, then the others, no duplicates. */
  readonly resolvers: readonly string[];
  /** Undefined where the file has none that can stand on a kernel command line. */
  readonly hostname: string | undefined;
  readonly dnsDomain: string | undefined;
  /** What CNAPI makes of nictags and aggregations for the kernel's command line. */
  readonly nicArguments: readonly string[];
  readonly warnings: readonly FileWarning[];
}

const askBooter = "let booter write it anew (a DHCPDISCOVER of the CN does that), or mend it by hand";

/** Reads and judges a networking.json. @throws UsageError NETWORKING_UNREADABLE */
export async function readNetworkingFile(path: string): Promise<NetworkingFile> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new UsageError("NETWORKING_UNREADABLE", `cannot read networking.json: ${(cause as Error).message}`, {
      cause,
      hint: "name an existing file with --networking, e.g. fixtures/networking.json",
    });
  }
  return parseNetworkingFile(path, bytes);
}

/** The judgement alone. @param path how messages name the file */
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
  if (fields?.hostname !== undefined && oneWord(fields.hostname) === undefined) {
    warn("hostname", "cannot stand on a kernel command line", "correct the server's hostname in CNAPI");
  }

  const adminTag = fields?.admin_tag ?? "admin";
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
    nicArguments: [
      ...wellFormed(nictagSchema, fields?.nictags).map(({ name, mac }) => `${name}_nic=${mac}`),
      ...wellFormed(aggregationSchema, fields?.aggregations).flatMap(({ name, macs, lacp_mode }) => [
        `${name}_aggr="${macs.join(",")}"`,
        `${name}_lacp_mode=${lacp_mode}`,
      ]),
    ].filter((argument) => /^[\x21-\x7e]+$/.test(argument)),
    warnings,
  };
}

/** What cannot stand as a word on the kernel command line is no hostname, and the booter has none in its place. */
const oneWord = (name: string | undefined): string | undefined =>
  name !== undefined && /^[\x21-\x7e]+$/.test(name) ? name : undefined;

type Warn = (place: string, problem: string, remedy: string) => void;

function parseFields(bytes: Buffer, warn: Warn): Fields | undefined {
  const text = bytes.toString("utf8");
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
    // A field that is null is as good as absent.
    if (error === undefined || given[name] === undefined || given[name] === null) return [[name, data] as const];
    for (const issue of error.issues) warn(formatPlace([name, ...issue.path]), issue.message, askBooter);
    return [];
  });
  return { nictags: given["nictags"], aggregations: given["aggregations"], ...Object.fromEntries(judged) };
}

/** A vnic as the image configures it: without what is wrong with it, if it can do without that. */
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
    const [name = ""] = issue.path;
    const without = dispensable.includes(String(name));
    warn(issue.path, issue.message, `${askBooter}; the CN ${without ? "does without it" : "may skip this NIC"}`);
    if (without) delete fields[String(name)];
  }
  return vnicSchema.safeParse(fields).data;
}

/** The booter lists a NIC's resolvers with the NIC and at the top: each that is wrong is one warning, at its first place. */
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

/** The entries of a list that are as they should be; the CN has its own word on the others. */
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

/**
 * Which NIC or aggregation of a CN provides which NIC tag, and the kernel arguments that booter derives from it.
 * Source: sdc-booter lib/bootparams.js (getBootParams).
 */

export interface NicTags {
  /** The NICs in NAPI's order, the boot NIC first. */
  readonly nics: readonly { readonly mac: string; readonly tags: readonly string[] }[];
  readonly aggregations: readonly Aggregation[];
  /** Tag of the admin network. A rack's own admin network has its own tag, e.g. "admin_rack_7". */
  readonly adminTag: string;
}

export interface Aggregation {
  /** "aggr0" */
  readonly name: string;
  readonly macs: readonly string[];
  /** Undefined: booter writes no argument for it. */
  readonly lacpMode: string | undefined;
  readonly tags: readonly string[];
}

export const ADMIN_TAG = "admin";

/**
 * Returns `TAG_nic=…` of each NIC, then of each aggregation, then `NAME_aggr=…` and `NAME_lacp_mode=…` of each aggregation.
 * Where several provide a tag, the first one counts; members of an aggregation do not. A CN without an admin NIC, which is
 * likely new, gets `admin_nic=` with the boot NIC's MAC as the last argument.
 */
export function nicArguments({ nics, aggregations, adminTag }: NicTags, bootMac: string): readonly string[] {
  const members = new Set(aggregations.flatMap(({ macs }) => macs));
  const providers = new Map<string, string>();
  const provide = (tags: readonly string[], provider: string): void => {
    for (const tag of tags) if (!providers.has(tag)) providers.set(tag, provider);
  };
  for (const { mac, tags } of nics) if (!members.has(mac)) provide(tags, mac);
  for (const { name, tags } of aggregations) provide(tags, name);

  // A member that itself provides an admin tag shows booter that the CN has an admin NIC.
  const provided = new Set([...nics, ...aggregations].flatMap(({ tags }) => tags));
  const isNew = !provided.has(ADMIN_TAG) && !provided.has(adminTag);
  return [
    ...[...providers].map(([tag, provider]) => `${tag}_nic=${provider}`),
    ...aggregations.flatMap(({ name, macs, lacpMode }) => [
      `${name}_aggr="${macs.join(",")}"`,
      ...(lacpMode === undefined ? [] : [`${name}_lacp_mode=${lacpMode}`]),
    ]),
    ...(isNew ? [`admin_nic=${bootMac}`] : []),
  ].filter((argument) => /^[\x21-\x7e]+$/.test(argument)); // a kernel command line cannot hold any other
}

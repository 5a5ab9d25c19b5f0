/**
 * A NIC tag of a CN for which booter wrote no networking.json: its boot NIC is on no admin network.
 * Sources: sdc-napi lib/models/nic-tag.js (names); sdc-booter lib/net-file.js (when the file is missing).
 */
import { UsageError } from "../../base/livelab-error.js";
import { isNicMac } from "../cn-files/nic-mac.js";
import { ADMIN_TAG, type NicTags } from "../cn-files/nic-tags.js";

export interface GivenNicTag {
  readonly tag: string;
  /** The NIC that provides the tag, in lower case. @default the boot NIC */
  readonly mac: string | undefined;
}

/** Parses "TAG" or "TAG=MAC". @throws UsageError BAD_NIC_TAG */
export function parseNicTag(text: string): GivenNicTag {
  const [, tag = "", mac] = /^(\w{1,31})(?:=(.*))?$/i.exec(text) ?? [];
  const lower = mac?.toLowerCase();
  if (tag !== "" && (lower === undefined || isNicMac(lower))) return { tag, mac: lower };
  throw new UsageError("BAD_NIC_TAG", `${JSON.stringify(text)} is not a NIC tag`, {
    hint: "write TAG or TAG=MAC, like mgmt=52:54:00:99:00:39; a tag has at most 31 letters, digits and _",
  });
}

/** Returns the tags by NIC, the boot NIC first, as booter reads them from NAPI. */
export function nicTagsOf(given: readonly GivenNicTag[], bootMac: string): NicTags {
  const macs = new Set([bootMac, ...given.map(({ mac }) => mac ?? bootMac)]);
  return {
    adminTag: ADMIN_TAG,
    aggregations: [],
    nics: [...macs].map((mac) => ({
      mac,
      tags: given.filter((each) => (each.mac ?? bootMac) === mac).map(({ tag }) => tag),
    })),
  };
}

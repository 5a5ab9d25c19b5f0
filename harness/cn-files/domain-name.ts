/**
 * The limits of a domain name. systemd ignores a name that breaks them, and reports that in its journal only.
 * Sources: RFC 1035 2.3.4; systemd src/basic/hostname-util.c and src/shared/dns-domain.c (dns_name_is_valid).
 */
const LONGEST_LABEL = 63;
const LONGEST_NAME = 253;

/** Describes the limit that a name breaks, e.g. "has an empty label". A dot at the end is allowed. @returns undefined if none */
export function brokenNameLimit(name: string): string | undefined {
  const relative = name.replace(/\.$/, "");
  const labels = relative.split(".");
  if (labels.includes("")) return "has an empty label";
  if (labels.some((label) => label.length > LONGEST_LABEL))
    return `has a label longer than ${LONGEST_LABEL} characters`;
  return relative.length > LONGEST_NAME ? `is longer than ${LONGEST_NAME} characters` : undefined;
}

/**
 * Computes the hostid that a CN must derive from its system UUID.
 * Source: Triton's sethostid: CRC-32/ISO-HDLC over the 36 bytes that `dmidecode -s system-uuid` prints.
 */
import { crc32 } from "node:zlib";

/** "12345678-9abc-4def-8123-456789abcdef" → "73cb1ae8", as hostid(1) prints it. @param uuid any case */
export function hostidOf(uuid: string): string {
  return crc32(uuid.toLowerCase()).toString(16).padStart(8, "0");
}

/**
 * Answers DHCP messages by the rules of Triton's booter. The only state is the list of clients that got an offer.
 * dhcp-message.ts parses the bytes, dhcp-service.ts reads and writes the wire.
 * Source: sdc-booter lib/dhcpd.js (handleMessage, buildPacketOpts), lib/dhcp.js (build_reply).
 */
import { parseIpv4 } from "../cn-files/ipv4.js";
import { bootScriptName } from "./boot-script.js";
import { type DhcpMessage, dhcpOptions, messageTypes } from "./dhcp-message.js";
import { loaderNames } from "./published-tree.js";
import type { CnAddress } from "./user-network.js";

export interface BooterConfig {
  /** The headnode's address on the admin network. */
  readonly serverIp: string;
  /** booter's dhcp_lease_time. */
  readonly leaseSeconds: number;
  /** The address that NAPI holds for a NIC, or assigns to a new one. */
  readonly addressOf: (mac: string) => BooterAddress | undefined;
}

export interface BooterAddress extends CnAddress {
  readonly resolvers: readonly string[];
}

/** `silence`: booter logs the reason and sends nothing. */
export type DhcpAnswer =
  | { readonly kind: "reply"; readonly message: DhcpMessage; readonly to: "everybody" | "sender" }
  | { readonly kind: "silence"; readonly why: string };

const [UEFI_LOADER, BIOS_LOADER] = loaderNames;
const BOOT_REPLY = 2;
const EFI_X86_64 = 7;

export class BooterDhcp {
  readonly #config: BooterConfig;
  /** Offered address by the client's MAC. A REQUEST gets this address, even if it asks for another. */
  readonly #offered = new Map<string, BooterAddress>();

  constructor(config: BooterConfig) {
    this.#config = config;
  }

  answer(request: DhcpMessage): DhcpAnswer {
    const type = request.options.get(dhcpOptions.messageType)?.[0];
    if (type !== messageTypes.discover && type !== messageTypes.request) {
      return silence(`message type ${type ?? "none"} is neither DISCOVER nor REQUEST`);
    }
    const classId = request.options.get(dhcpOptions.classId)?.toString("latin1");
    if (classId === undefined) return silence("no class (option 60)");
    if (!/^(?:PXEClient|SUNW)/.test(classId)) {
      return silence(`class "${classId}" (option 60) begins with neither PXEClient nor SUNW`);
    }
    const address =
      type === messageTypes.discover ? this.#config.addressOf(request.mac) : this.#offered.get(request.mac);
    if (address === undefined) {
      return silence(type === messageTypes.discover ? "no address for this NIC" : "a REQUEST without a DISCOVER");
    }
    this.#offered.set(request.mac, address);
    return {
      kind: "reply",
      message: this.#reply(request, type, address),
      to: request.options.has(dhcpOptions.relayAgent) ? "sender" : "everybody",
    };
  }

  #reply(request: DhcpMessage, type: number, address: BooterAddress): DhcpMessage {
    const { serverIp, leaseSeconds } = this.#config;
    const relayAgent = request.options.get(dhcpOptions.relayAgent);
    return {
      ...request, // keeps xid, flags, sname and all other fields
      op: BOOT_REPLY,
      yiaddr: parseIpv4(address.ip),
      siaddr: parseIpv4(serverIp),
      file: bootFileFor(request),
      options: new Map([
        [dhcpOptions.subnetMask, ipBytes(address.netmask)],
        ...(address.resolvers.length === 0
          ? []
          : [[dhcpOptions.domainNameServers, Buffer.concat(address.resolvers.map(ipBytes))] as const]),
        [dhcpOptions.leaseTime, uint32(leaseSeconds)],
        [
          dhcpOptions.messageType,
          Buffer.from([type === messageTypes.discover ? messageTypes.offer : messageTypes.ack]),
        ],
        [dhcpOptions.serverId, ipBytes(serverIp)],
        ...(relayAgent === undefined ? [] : [[dhcpOptions.relayAgent, relayAgent] as const]),
      ]),
    };
  }
}

/** iPXE gets its script. Any other client gets the iPXE binary for its firmware. */
function bootFileFor({ mac, options }: DhcpMessage): string {
  if (options.get(dhcpOptions.userClass)?.toString("latin1") === "iPXE") return bootScriptName(mac);
  const architecture = options.get(dhcpOptions.architecture);
  return architecture !== undefined && architecture.length >= 2 && architecture.readUInt16BE(0) === EFI_X86_64
    ? UEFI_LOADER
    : BIOS_LOADER;
}

const silence = (why: string): DhcpAnswer => ({ kind: "silence", why });
const ipBytes = (ip: string): Buffer => uint32(parseIpv4(ip));
function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

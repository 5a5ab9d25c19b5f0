/**
 * Answers DHCP messages by the rules of Triton's booter. The only state is the list of clients that got an offer.
 * dhcp-message.ts parses the bytes, dhcp-service.ts reads and writes the wire.
 * Source: sdc-booter lib/dhcpd.js (handleMessage, buildPacketOpts), lib/dhcp.js (build_reply).
 */
import { isIPv4 } from "node:net";
import { isSameNetwork, netmaskOf, parseIpv4 } from "../cn-files/ipv4.js";
import { bootScriptName } from "./boot-script.js";
import { type DhcpMessage, dhcpOptions, messageTypes } from "./dhcp-message.js";
import { loaderNames } from "./published-tree.js";
import type { CnAddress } from "./user-network.js";

export interface BooterConfig {
  /** The headnode's address on the admin network. */
  readonly serverIp: string;
  /** booter's dhcp_lease_time. */
  readonly leaseSeconds: number;
  /** booter's own resolvers, which follow those of the NIC. */
  readonly resolvers: readonly string[];
  /** booter's defaultGateway, for clients on the headnode's own network. */
  readonly defaultGateway: string | undefined;
  /** The address that NAPI holds for a NIC, or assigns to a new one. */
  readonly addressOf: (mac: string) => BooterAddress | undefined;
}

export interface BooterAddress extends CnAddress {
  readonly resolvers: readonly string[];
  /** The gateway of the NIC's network, if it has one. */
  readonly gateway: string | undefined;
  /** Destination (a network or a host) → gateway, of the NIC's network. */
  readonly routes: Readonly<Record<string, string>>;
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
    const { serverIp, leaseSeconds, defaultGateway } = this.#config;
    // A relay sets both. booter takes a message with one of them for a client on its own network.
    const relayAgent = request.giaddr === 0 ? undefined : request.options.get(dhcpOptions.relayAgent);
    const router = relayAgent === undefined ? defaultGateway : (address.gateway ?? routeTo(serverIp, address.routes));
    const resolvers = [...address.resolvers, ...this.#config.resolvers];
    return {
      ...request, // keeps xid, flags, sname and all other fields
      op: BOOT_REPLY,
      yiaddr: parseIpv4(address.ip),
      siaddr: parseIpv4(serverIp),
      file: bootFileFor(request),
      options: new Map([
        [dhcpOptions.subnetMask, ipBytes(address.netmask)],
        ...(router === undefined ? [] : [[dhcpOptions.router, ipBytes(router)] as const]),
        ...(resolvers.length === 0
          ? []
          : [[dhcpOptions.domainNameServers, Buffer.concat(resolvers.map(ipBytes))] as const]),
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

/** The gateway of the first route that leads to an address. A gateway that is not an address leads nowhere. */
function routeTo(ip: string, routes: BooterAddress["routes"]): string | undefined {
  const [, gateway] =
    Object.entries(routes).find(([destination]) => {
      const [network = "", prefix = "32"] = destination.split("/");
      return (
        isIPv4(network) && /^(?:[12]?\d|3[0-2])$/.test(prefix) && isSameNetwork(ip, network, netmaskOf(Number(prefix)))
      );
    }) ?? [];
  return gateway !== undefined && isIPv4(gateway) ? gateway : undefined;
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

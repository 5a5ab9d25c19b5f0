/** A host on the wire that answers ARP and ping for its own addresses, and ping for addresses behind it as their router. */
import { isIPv4 } from "node:net";
import { UsageError } from "../../base/livelab-error.js";
import { parseIpv4 } from "../cn-files/ipv4.js";
import { formatArp, parseArp } from "./arp.js";
import { BROADCAST, type EthernetFrame, etherTypes, formatFrame, parseFrame } from "./ethernet.js";
import { formatEcho, parseEcho } from "./icmp-echo.js";
import type { FrameService } from "./wire.js";

export interface HostAddress {
  readonly ip: string;
  /** VLAN of the address. @default 0, untagged */
  readonly vlan?: number | undefined;
  /** Whether it is behind the host: the host answers no ARP for it, only packets routed through it. @default false */
  readonly routed?: boolean | undefined;
}

/** Parses "10.1.2.3" or "10.1.2.3/3105" (VLAN 3105), either with ",routed" at the end. @throws UsageError BAD_PEER */
export function parseHostAddress(text: string): HostAddress {
  const [, ip = "", vlan = "0", routed] = /^([0-9.]+)(?:\/(\d{1,4}))?(,routed)?$/.exec(text) ?? [];
  if (isIPv4(ip) && Number(vlan) < 4095) return { ip, vlan: Number(vlan), routed: routed !== undefined };
  throw new UsageError("BAD_PEER", `${JSON.stringify(text)} is not a peer address`, {
    hint: "pass --peer 10.99.99.60, --peer 10.99.99.60/3105 for VLAN 3105, or --peer 10.1.0.1,routed",
  });
}

/** Locally administered. */
const HOST_MAC = "02:4c:4c:00:01:00";

export class AnsweringHost implements FrameService {
  readonly #addresses: readonly { readonly ip: number; readonly vlan: number; readonly routed: boolean }[];

  constructor(addresses: readonly HostAddress[]) {
    this.#addresses = addresses.map(({ ip, vlan = 0, routed = false }) => ({ ip: parseIpv4(ip), vlan, routed }));
  }

  take(bytes: Buffer, send: (frame: Buffer) => void): boolean {
    const frame = parseFrame(bytes);
    if (frame === undefined) return false;
    if (frame.destination !== HOST_MAC && frame.destination !== BROADCAST) return false;
    const answer = this.#answer(frame);
    if (answer !== undefined) {
      const { source: destination, vlan, etherType } = frame;
      send(formatFrame({ destination, source: HOST_MAC, vlan, etherType, payload: answer }));
    }
    return answer !== undefined || frame.destination === HOST_MAC;
  }

  #answer({ destination, etherType, vlan, payload }: EthernetFrame): Buffer | undefined {
    if (etherType === etherTypes.arp) {
      const arp = parseArp(payload);
      const own = this.#addresses.find((each) => each.ip === arp?.targetIp && each.vlan === vlan && !each.routed);
      if (arp?.operation !== "request" || own === undefined) return undefined;
      const { senderMac: targetMac, senderIp: targetIp } = arp;
      return formatArp({ operation: "reply", senderMac: HOST_MAC, senderIp: own.ip, targetMac, targetIp });
    }
    if (etherType === etherTypes.ipv4 && destination === HOST_MAC) {
      const echo = parseEcho(payload);
      const own = this.#addresses.find((each) => each.ip === echo?.destination && each.vlan === vlan);
      if (echo?.kind !== "request" || own === undefined) return undefined;
      return formatEcho({ ...echo, kind: "reply", source: own.ip, destination: echo.source });
    }
    return undefined;
  }
}

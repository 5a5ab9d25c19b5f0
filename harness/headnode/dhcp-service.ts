/**
 * Booter's DHCP server on the wire. It consumes every frame for the DHCP port, so that no other server answers too.
 * dhcp-rules.ts decides the answers.
 */
import { formatIpv4, parseIpv4 } from "../cn-files/ipv4.js";
import { BROADCAST } from "../wire/ethernet.js";
import { answerTo, formatUdpFrames, parseUdpFrame, type UdpFrame } from "../wire/udp-frame.js";
import type { FrameService } from "../wire/wire.js";
import { type DhcpMessage, dhcpOptions, formatDhcp, messageTypes, parseDhcp } from "./dhcp-message.js";
import type { BooterDhcp } from "./dhcp-rules.js";

export interface DhcpServiceOptions {
  readonly booter: BooterDhcp;
  readonly serverIp: string;
  /** Milliseconds since power-on. */
  readonly now: () => number;
  /**
   * Whether to treat a client as a plain PXE ROM although its user class says iPXE. QEMU's only BIOS ROM is iPXE, while
   * the ROMs of real NICs send no user class. @default never
   */
  readonly hidesUserClass?: (() => boolean) | undefined;
}

/** A DHCP message and its answer. */
export interface DhcpExchange {
  readonly timeMs: number;
  readonly type: "DISCOVER" | "REQUEST" | "other";
  readonly mac: string;
  /** Options 60, 77 and 93 as the client sent them: class, user class, architecture. */
  readonly classId: string | undefined;
  readonly userClass: string | undefined;
  readonly architecture: number | undefined;
  readonly answer:
    | { readonly kind: "reply"; readonly ip: string; readonly file: string }
    | { readonly kind: "silence"; readonly why: string };
}

const SERVER_PORT = 67;
const CLIENT_PORT = 68;
const EVERYBODY = parseIpv4("255.255.255.255");
/** Locally administered. Clients never send to it: they resolve the headnode's address by ARP. */
const DHCP_MAC = "02:4c:4c:00:02:00";

export class DhcpService implements FrameService {
  readonly #options: DhcpServiceOptions;
  readonly #exchanges: DhcpExchange[] = [];
  #identification = 0;

  constructor(options: DhcpServiceOptions) {
    this.#options = options;
  }

  /** All messages so far, in order of arrival. */
  get exchanges(): readonly DhcpExchange[] {
    return this.#exchanges;
  }

  take(frame: Buffer, send: (frame: Buffer) => void): boolean {
    const request = parseUdpFrame(frame);
    if (request?.datagram.destinationPort !== SERVER_PORT) return false;
    const message = parseDhcp(request.datagram.data);
    if (message === undefined) return true;
    const { booter, hidesUserClass } = this.#options;
    const answer = booter.answer(hidesUserClass?.() ? withoutUserClass(message) : message);
    this.#note(message, answer);
    if (answer.kind === "reply") {
      const data = formatDhcp(answer.message);
      const reply = answer.to === "sender" ? answerTo(request, data) : this.#broadcast(request, data);
      this.#identification += 1;
      for (const each of formatUdpFrames(reply, this.#identification)) send(each);
    }
    return true;
  }

  #broadcast({ vlan }: UdpFrame, data: Buffer): UdpFrame {
    return {
      destination: BROADCAST,
      source: DHCP_MAC,
      vlan,
      datagram: {
        sourceIp: parseIpv4(this.#options.serverIp),
        sourcePort: SERVER_PORT,
        destinationIp: EVERYBODY,
        destinationPort: CLIENT_PORT,
        data,
      },
    };
  }

  #note({ mac, options }: DhcpMessage, answer: ReturnType<BooterDhcp["answer"]>): void {
    const text = (code: number): string | undefined => options.get(code)?.toString("latin1");
    const type = options.get(dhcpOptions.messageType)?.[0];
    const architecture = options.get(dhcpOptions.architecture);
    this.#exchanges.push({
      timeMs: this.#options.now(),
      type: type === messageTypes.discover ? "DISCOVER" : type === messageTypes.request ? "REQUEST" : "other",
      mac,
      classId: text(dhcpOptions.classId),
      userClass: text(dhcpOptions.userClass),
      architecture: architecture !== undefined && architecture.length >= 2 ? architecture.readUInt16BE(0) : undefined,
      answer:
        answer.kind === "reply"
          ? { kind: "reply", ip: formatIpv4(answer.message.yiaddr), file: answer.message.file }
          : answer,
    });
  }
}

const withoutUserClass = (message: DhcpMessage): DhcpMessage => ({
  ...message,
  options: new Map([...message.options].filter(([code]) => code !== dhcpOptions.userClass)),
});

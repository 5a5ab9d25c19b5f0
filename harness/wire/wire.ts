/**
 * The wire between the NICs of a guest: a switch in this process. QEMU network back ends plug into its ports. Services
 * run in this process and see every frame. A relay port leads to QEMU's user network and so to the headnode.
 * Ports whose partner aggregates them (LACP) count as one.
 * Source: IEEE 802.1D clause 7 (learning, forwarding), without VLAN separation: tags pass unchanged.
 */
import { join } from "node:path";
import { DisposableStack } from "../../base/disposable-stack.js";
import { TempDir } from "../../base/temp-dir.js";
import type { StreamNetworkSpec } from "../../vm/machine-spec.js";
import { Capture } from "./capture.js";
import { etherTypes, formatFrame } from "./ethernet.js";
import { LENGTH_BYTES, recordOf } from "./frame-stream.js";
import { LACP_PERIOD_MS, LacpPort } from "./lacp-port.js";
import { formatLacpdu, parseLacpdu, SLOW_PROTOCOLS_MAC } from "./lacpdu.js";
import { WirePort } from "./wire-port.js";

export interface WireOptions {
  /** File in pcap format for the frames on the wire, except bulk data (see Capture.add). @default no capture */
  readonly capturePath?: string | undefined;
  /** Receives the error of a service; the wire drops that frame and goes on. @default the error is thrown uncaught */
  readonly onDefect?: ((error: Error) => void) | undefined;
}

/** A participant on the wire that is not QEMU. The switch does not learn its MAC addresses. */
export interface FrameService {
  /**
   * Gets each frame from a port before the switch forwards it.
   * @param frame must not be changed
   * @param send puts a frame on the wire
   * @returns whether the service consumed the frame, so that the switch does not forward it
   */
  take(frame: Buffer, send: (frame: Buffer) => void): boolean;
}

/** `nic`: a guest's NIC, which may speak LACP; `relay`: one of QEMU's own networks. */
export type PortKind = "nic" | "relay";

interface SwitchPort {
  readonly port: WirePort;
  readonly lacp: LacpPort | undefined;
  link: Link;
}

/** One port, or several aggregated ports that count as one. */
interface Link {
  /** Ports to send to: those on which the partner collects frames, or all of them if it collects on none. */
  readonly members: readonly SwitchPort[];
}

/** MAC of the switch, locally administered. */
const SWITCH_MAC = "02:4c:4c:00:00:01";

export class Wire implements AsyncDisposable {
  readonly #folder: TempDir;
  readonly #capture: Capture | undefined;
  readonly #onDefect: (error: Error) => void;
  readonly #resources: DisposableStack;
  readonly #ports = new Map<WirePort, SwitchPort>();
  readonly #services: FrameService[] = [];
  #links: readonly Link[] = [];
  /** The port from which each MAC address, as a number, last sent a frame. */
  readonly #learned = new Map<number, SwitchPort>();

  private constructor(
    folder: TempDir,
    capture: Capture | undefined,
    onDefect: (error: Error) => void,
    resources: DisposableStack,
  ) {
    this.#folder = folder;
    this.#capture = capture;
    this.#onDefect = onDefect;
    this.#resources = resources;
    const timer = setInterval(() => this.#speakLacp(), LACP_PERIOD_MS);
    resources.defer(() => clearInterval(timer));
  }

  /** @throws HarnessError LOG_NOT_WRITABLE when the capture cannot be opened */
  static async create({ capturePath, onDefect = throwOn }: WireOptions = {}): Promise<Wire> {
    await using cleanup = new DisposableStack();
    const folder = cleanup.use(await TempDir.createForSockets("wire"));
    const capture = capturePath === undefined ? undefined : cleanup.use(Capture.create(capturePath));
    return new Wire(folder, capture, onDefect, cleanup.move());
  }

  /** Adds a port for a NIC or a relay of a machine that starts later. */
  async addPort(kind: PortKind): Promise<StreamNetworkSpec> {
    const number = this.#ports.size + 1;
    const socketPath = join(this.#folder.path, `port${number}`);
    const port = this.#resources.use(
      await WirePort.open(socketPath, {
        onRecord: (record, from) => this.#receive(record, from),
        onDefect: this.#onDefect,
      }),
    );
    const self = { system: SWITCH_MAC, port: number };
    const lacp = kind === "nic" ? new LacpPort(self, () => performance.now()) : undefined;
    this.#ports.set(port, { port, lacp, link: { members: [] } });
    this.#formLinks();
    return { kind: "stream", socketPath };
  }

  /** Adds a service. Services see a frame in the order of their attachment, until one consumes it. */
  attach(service: FrameService): void {
    this.#services.push(service);
  }

  /** Puts a frame on the wire. */
  readonly send = (frame: Buffer): void => {
    this.#record(frame);
    this.#forward(recordOf(frame), undefined);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }

  #receive(record: Buffer, port: WirePort): void {
    const frame = record.subarray(LENGTH_BYTES);
    const from = this.#ports.get(port);
    if (from === undefined || frame.length < 14) return;
    this.#record(frame);
    if (frame.readUInt16BE(12) === etherTypes.slow) {
      this.#receiveLacp(frame, from);
      return;
    }
    this.#learned.set(frame.readUIntBE(6, 6), from);
    if (this.#services.some((service) => service.take(frame, this.send))) return;
    this.#forward(record, from);
  }

  /** @param from undefined if a service sends the frame */
  #forward(record: Buffer, from: SwitchPort | undefined): void {
    const learned = this.#learned.get(record.readUIntBE(LENGTH_BYTES, 6));
    const links = learned === undefined ? this.#links : [learned.link];
    for (const link of links) {
      if (link !== from?.link) sendOver(link, record);
    }
  }

  /** Groups ports into links by the current state of LACP: ports that a partner aggregates form one link. */
  #formLinks(): void {
    const groups = new Map<unknown, SwitchPort[]>();
    for (const each of this.#ports.values()) {
      const key = each.lacp?.aggregate ?? each;
      groups.set(key, [...(groups.get(key) ?? []), each]);
    }
    this.#links = [...groups.values()].map((ports) => {
      const collecting = ports.filter(({ lacp }) => lacp?.collects);
      const link = { members: collecting.length > 0 ? collecting : ports };
      for (const each of ports) each.link = link;
      return link;
    });
  }

  #receiveLacp(frame: Buffer, { port, lacp }: SwitchPort): void {
    const pdu = parseLacpdu(frame.subarray(14));
    if (pdu === undefined || lacp === undefined) return;
    const isNews = lacp.take(pdu);
    this.#formLinks();
    if (isNews) this.#sendLacp(port, lacp);
  }

  #speakLacp(): void {
    this.#formLinks(); // a partner may have timed out
    for (const { port, lacp } of this.#ports.values()) {
      if (lacp !== undefined && port.isPlugged) this.#sendLacp(port, lacp);
    }
  }

  #sendLacp(port: WirePort, lacp: LacpPort): void {
    const frame = formatFrame({
      destination: SLOW_PROTOCOLS_MAC,
      source: SWITCH_MAC,
      vlan: 0,
      etherType: etherTypes.slow,
      payload: formatLacpdu(lacp.pdu),
    });
    this.#record(frame);
    port.send(recordOf(frame));
  }

  #record(frame: Buffer): void {
    this.#capture?.add(frame, Date.now());
  }
}

function throwOn(error: Error): never {
  throw error;
}

/** Sends over one member of the link, always the same for two MAC addresses, so that their frames stay in order. */
function sendOver({ members }: Link, record: Buffer): void {
  const hash = (record[LENGTH_BYTES + 5] ?? 0) ^ (record[LENGTH_BYTES + 11] ?? 0);
  members[hash % members.length]?.port.send(record);
}

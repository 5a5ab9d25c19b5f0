/**
 * The wire between the NICs of a guest: a switch in this process. QEMU network back ends plug into its ports; services,
 * which are functions here, see every frame. A relay port leads to QEMU's user network and so to the headnode.
 * Ports whose partner aggregates them (LACP) count as one.
 * Source: IEEE 802.1D clause 7 (learning, forwarding), without VLAN separation: tags pass as they are.
 * Not here: what services answer (answering-host.ts), what a capture looks like (capture.ts).
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
  /** Where what goes over the wire is written in pcap format, but for TCP. @default nowhere */
  readonly capturePath?: string | undefined;
  /** Takes what a service threw upon a frame; the wire goes on without that frame. @default the error is thrown uncaught */
  readonly onDefect?: ((error: Error) => void) | undefined;
}

/** Somebody on the wire who is no QEMU. Its MACs are its own: nothing learns them. */
export interface FrameService {
  /**
   * Sees each frame that a port brings, before it is passed on.
   * @param frame its bytes stay as they are
   * @param send puts a frame on the wire
   * @returns whether the frame was for this service alone and goes no further
   */
  take(frame: Buffer, send: (frame: Buffer) => void): boolean;
}

/** `nic`: a guest's, which may speak LACP; `relay`: a network of QEMU's. */
export type PortKind = "nic" | "relay";

interface SwitchPort {
  readonly port: WirePort;
  readonly lacp: LacpPort | undefined;
  link: Link;
}

/** What counts as one port. */
interface Link {
  /** Those to send to: where there is a choice, all that the partner listens on. */
  readonly members: readonly SwitchPort[];
}

/** The switch's own, locally administered. */
const SWITCH_MAC = "02:4c:4c:00:00:01";

export class Wire implements AsyncDisposable {
  readonly #folder: TempDir;
  readonly #capture: Capture | undefined;
  readonly #onDefect: (error: Error) => void;
  readonly #resources: DisposableStack;
  readonly #ports = new Map<WirePort, SwitchPort>();
  readonly #services: FrameService[] = [];
  #links: readonly Link[] = [];
  /** Port by the MAC address, as a number, that was last seen to send from there. */
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

  /** A new port, for a NIC or a relay of a machine that starts later. */
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

  /** The first one that takes a frame has it. */
  attach(service: FrameService): void {
    this.#services.push(service);
  }

  /** Puts a frame on the wire, as a service does. */
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

  /** @param from undefined for a service */
  #forward(record: Buffer, from: SwitchPort | undefined): void {
    const learned = this.#learned.get(record.readUIntBE(LENGTH_BYTES, 6));
    const links = learned === undefined ? this.#links : [learned.link];
    for (const link of links) {
      if (link !== from?.link) sendOver(link, record);
    }
  }

  /** Puts ports whose partner aggregates them into one link, as they stand now. */
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
    this.#formLinks(); // partners may have fallen silent
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

/** Over the one member that carries all frames between the same two MACs, so that their order stays. */
function sendOver({ members }: Link, record: Buffer): void {
  const hash = (record[LENGTH_BYTES + 5] ?? 0) ^ (record[LENGTH_BYTES + 11] ?? 0);
  members[hash % members.length]?.port.send(record);
}

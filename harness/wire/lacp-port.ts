/**
 * One port of a switch that speaks LACP actively, and acts as an ordinary port while no partner answers. Machines that
 * boot from it by PXE need that. wire.ts decides which frames go to which port.
 * Source: IEEE 802.1AX-2008, 5.4 (receive, periodic transmission and mux machines, here as one).
 */
import { type Lacpdu, type LacpEnd, lacpStates } from "./lacpdu.js";

/** Period between two messages of a port, in milliseconds: the rate that "short timeout" requires. */
export const LACP_PERIOD_MS = 1_000;

/** Silence after which a partner counts as gone. An emulated guest on a busy host exceeds the 3 s of a short timeout. */
const PARTNER_LIMIT_MS = 30_000;

const nobody: LacpEnd = { systemPriority: 0, system: "00:00:00:00:00:00", key: 0, portPriority: 0, port: 0, state: 0 };

export class LacpPort {
  readonly #self: Omit<LacpEnd, "state">;
  readonly #nowMs: () => number;
  #partner = nobody;
  #partnerSeenMs = Number.NEGATIVE_INFINITY;

  /** @param self all ports of a switch share system and key, so that a partner can aggregate any of them */
  constructor(self: Pick<LacpEnd, "system" | "port">, nowMs: () => number) {
    this.#self = { systemPriority: 0x8000, key: 1, portPriority: 0x80, ...self };
    this.#nowMs = nowMs;
  }

  /** The port's current message. */
  get pdu(): Lacpdu {
    return { actor: { ...this.#self, state: this.#state }, partner: this.#hasPartner ? this.#partner : nobody };
  }

  /** @returns whether the sender does not know this port's current state, so that the port must answer at once */
  take({ actor, partner }: Lacpdu): boolean {
    this.#partner = actor;
    this.#partnerSeenMs = this.#nowMs();
    return !isSameEnd(partner, this.pdu.actor);
  }

  /** Name of the port's aggregate, equal for all ports that the partner aggregates. Undefined for a port on its own. */
  get aggregate(): string | undefined {
    if (!this.#hasPartner || !this.#partnerIs("aggregation")) return undefined;
    return `${this.#partner.systemPriority} ${this.#partner.system} ${this.#partner.key}`;
  }

  /** Whether the partner accepts frames on this member of its aggregate. */
  get collects(): boolean {
    return this.#hasPartner && this.#partnerIs("synchronization") && this.#partnerIs("collecting");
  }

  get #hasPartner(): boolean {
    return this.#nowMs() - this.#partnerSeenMs < PARTNER_LIMIT_MS;
  }

  #partnerIs(state: keyof typeof lacpStates): boolean {
    return (this.#partner.state & lacpStates[state]) !== 0;
  }

  get #state(): number {
    const { activity, shortTimeout, aggregation, synchronization, collecting, distributing, defaulted } = lacpStates;
    const always = activity | shortTimeout | aggregation;
    if (!this.#hasPartner) return always | defaulted;
    return always | synchronization | (this.#partnerIs("synchronization") ? collecting | distributing : 0);
  }
}

function isSameEnd(one: LacpEnd, other: LacpEnd): boolean {
  return (Object.keys(one) as (keyof LacpEnd)[]).every((field) => one[field] === other[field]);
}

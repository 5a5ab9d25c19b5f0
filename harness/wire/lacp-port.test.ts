/** A port against a partner that follows the standard in few lines. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LacpPort } from "./lacp-port.js";
import { type Lacpdu, type LacpEnd, lacpStates as states } from "./lacpdu.js";

const test = suite("lacp-port");

const guest = (state: number): LacpEnd => ({
  systemPriority: 0xffff,
  system: "52:54:00:aa:00:01",
  key: 15,
  portPriority: 255,
  port: 1,
  state,
});

/** A guest that echoes what it was told, and says `state` of itself. */
const answer = (told: Lacpdu, state: number): Lacpdu => ({ actor: guest(state), partner: told.actor });

function portAt(): { port: LacpPort; clock: { ms: number } } {
  const clock = { ms: 0 };
  return { port: new LacpPort({ system: "02:00:00:00:00:01", port: 1 }, () => clock.ms), clock };
}

const { activity, aggregation, synchronization, collecting, distributing, defaulted } = states;

test("says that it knows nobody, and carries frames by itself, until a partner speaks", () => {
  const { port } = portAt();
  assert.ok(port.pdu.actor.state & activity, "it speaks first");
  assert.ok(port.pdu.actor.state & defaulted);
  assert.not(port.pdu.actor.state & synchronization);
  assert.is(port.aggregate, undefined);
  assert.not(port.collects);
});

test("comes up with a partner in three messages, and then has nothing new to say", () => {
  const { port } = portAt();
  assert.ok(port.take(answer(port.pdu, activity | aggregation)), "the partner is to hear that it is in sync");
  assert.ok(port.pdu.actor.state & synchronization);
  assert.not(port.pdu.actor.state & distributing, "the partner is not in sync yet");
  assert.equal(port.pdu.partner, guest(activity | aggregation), "the partner's end is echoed");
  assert.not(port.collects);

  assert.ok(port.take(answer(port.pdu, activity | aggregation | synchronization)));
  assert.ok(port.pdu.actor.state & distributing);

  const up = activity | aggregation | synchronization | collecting | distributing;
  assert.not(port.take(answer(port.pdu, up)));
  assert.ok(port.collects);
  assert.is(port.aggregate, "65535 52:54:00:aa:00:01 15");
});

test("aggregates no port whose partner stands alone", () => {
  const { port } = portAt();
  port.take(answer(port.pdu, activity | synchronization | collecting));
  assert.is(port.aggregate, undefined);
});

test("is an ordinary port again when the partner has long been silent", () => {
  const { port, clock } = portAt();
  port.take(answer(port.pdu, activity | aggregation | synchronization | collecting | distributing));
  clock.ms = 29_999;
  assert.ok(port.collects);
  clock.ms = 30_000;
  assert.not(port.collects);
  assert.is(port.aggregate, undefined);
  assert.ok(port.pdu.actor.state & defaulted);
  assert.is(port.pdu.partner.system, "00:00:00:00:00:00");
});

test.run();

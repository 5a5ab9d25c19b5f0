/** Tests a port against a minimal partner that follows the standard. */
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

/** A guest's answer: it echoes the port's own end and reports `state` for itself. */
const answer = (received: Lacpdu, state: number): Lacpdu => ({ actor: guest(state), partner: received.actor });

function portAt(): { port: LacpPort; clock: { ms: number } } {
  const clock = { ms: 0 };
  return { port: new LacpPort({ system: "02:00:00:00:00:01", port: 1 }, () => clock.ms), clock };
}

const { activity, aggregation, synchronization, collecting, distributing, defaulted } = states;

test("a port without a partner reports itself as defaulted and carries frames on its own", () => {
  const { port } = portAt();
  assert.ok(port.pdu.actor.state & activity, "the port is active");
  assert.ok(port.pdu.actor.state & defaulted);
  assert.not(port.pdu.actor.state & synchronization);
  assert.is(port.aggregate, undefined);
  assert.not(port.collects);
});

test("a port comes up with its partner in three messages, and then has no more to report", () => {
  const { port } = portAt();
  assert.ok(port.take(answer(port.pdu, activity | aggregation)), "the port must report that it is in sync");
  assert.ok(port.pdu.actor.state & synchronization);
  assert.not(port.pdu.actor.state & distributing, "the partner is not in sync yet");
  assert.equal(port.pdu.partner, guest(activity | aggregation), "the port echoes the partner's end");
  assert.not(port.collects);

  assert.ok(port.take(answer(port.pdu, activity | aggregation | synchronization)));
  assert.ok(port.pdu.actor.state & distributing);

  const up = activity | aggregation | synchronization | collecting | distributing;
  assert.not(port.take(answer(port.pdu, up)));
  assert.ok(port.collects);
  assert.is(port.aggregate, "65535 52:54:00:aa:00:01 15");
});

test("a port whose partner does not aggregate is in no aggregate", () => {
  const { port } = portAt();
  port.take(answer(port.pdu, activity | synchronization | collecting));
  assert.is(port.aggregate, undefined);
});

test("a port becomes an ordinary port again after 30 s without a message from its partner", () => {
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

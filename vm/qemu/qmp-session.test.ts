import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { connectToFake, GREETING } from "../../fixtures/vm-fake-qmp.js";
import { VmError } from "../vm-error.js";
import { QmpSession } from "./qmp-session.js";

const test = suite("qmp-session");

const codeOf = (error: unknown) => (error instanceof VmError ? error.code : error);

test(
  "knows the version from the greeting and gets an answer",
  within(2_000, async () => {
    await using fake = await connectToFake(async (peer) => {
      await peer.greet();
      const { execute, id } = await peer.command();
      peer.send({ return: { asked: execute }, id });
    });
    await using session = await QmpSession.open(fake.channel);
    assert.is(session.qemuVersion, "9.1.2");
    assert.equal(await session.execute("query-status"), { asked: "query-status" });
  }),
);

test(
  "keeps an event that arrives before the answer",
  within(2_000, async () => {
    await using fake = await connectToFake(async (peer) => {
      await peer.greet();
      const { id } = await peer.command();
      peer.send({ event: "RESET" }, { event: "STOP" }, { return: {}, id });
    });
    await using session = await QmpSession.open(fake.channel);
    await session.execute("system_reset");
    assert.is((await session.nextEvent()).name, "RESET");
    assert.is((await session.nextEvent()).name, "STOP");
  }),
);

test(
  "understands messages that arrive torn",
  within(2_000, async () => {
    await using fake = await connectToFake(async (peer) => {
      for (const character of `${JSON.stringify(GREETING)}\r\n`) {
        peer.sendRaw(character);
        await sleep(0);
      }
      const { id } = await peer.command();
      peer.send({ return: {}, id });
    });
    await using session = await QmpSession.open(fake.channel);
    assert.is(session.qemuVersion, "9.1.2");
  }),
);

test(
  "sends the next command only when the one before was answered",
  within(2_000, async () => {
    const seen: string[] = [];
    await using fake = await connectToFake(async (peer) => {
      await peer.greet();
      const first = await peer.command();
      seen.push(first.execute);
      const second = peer.command();
      void second.then(({ execute }) => seen.push(execute));
      await sleep(50);
      seen.push("answer");
      peer.send({ return: 1, id: first.id });
      peer.send({ return: 2, id: (await second).id });
    });
    await using session = await QmpSession.open(fake.channel);
    assert.equal(await Promise.all([session.execute("one"), session.execute("two")]), [1, 2]);
    assert.equal(seen, ["one", "answer", "two"]);
  }),
);

test(
  "throws what QEMU refused, and works on",
  within(2_000, async () => {
    await using fake = await connectToFake(async (peer) => {
      await peer.greet();
      const { id } = await peer.command();
      peer.send({ error: { class: "CommandNotFound", desc: "The command nope has not been found" }, id });
      const next = await peer.command();
      peer.send({ return: "fine", id: next.id });
    });
    await using session = await QmpSession.open(fake.channel);
    const error = await thrownBy(session.execute("nope"));
    assert.is(codeOf(error), "QMP_ERROR");
    assert.match(String(error), "QEMU refused nope: The command nope has not been found");
    assert.is(await session.execute("query-name"), "fine");
  }),
);

test(
  "takes an answer that comes too late for nobody else's",
  within(2_000, async () => {
    await using fake = await connectToFake(async (peer) => {
      await peer.greet();
      const slow = await peer.command();
      await sleep(100);
      peer.send({ return: "slow", id: slow.id });
      const next = await peer.command();
      peer.send({ return: "next", id: next.id });
    });
    await using session = await QmpSession.open(fake.channel);
    assert.is(codeOf(await thrownBy(session.execute("slow", {}, { limitMs: 20 }))), "QMP_TIMEOUT");
    assert.is(await session.execute("next"), "next");
  }),
);

test(
  "does not send a command whose caller gave up in the queue",
  within(2_000, async () => {
    await using fake = await connectToFake(async (peer) => {
      await peer.greet();
      const first = await peer.command();
      await sleep(60);
      peer.send({ return: 1, id: first.id });
      const next = await peer.command();
      peer.send({ return: next.execute, id: next.id });
    });
    await using session = await QmpSession.open(fake.channel);
    const first = session.execute("first");
    assert.is(codeOf(await thrownBy(session.execute("abandoned", {}, { limitMs: 20 }))), "QMP_TIMEOUT");
    await first;
    assert.is(await session.execute("third"), "third");
  }),
);

test(
  "ends a wait with the signal's reason",
  within(2_000, async () => {
    await using fake = await connectToFake((peer) => peer.greet());
    await using session = await QmpSession.open(fake.channel);
    const controller = new AbortController();
    const answer = session.execute("never", {}, { signal: controller.signal });
    const reason = new Error("interrupted");
    controller.abort(reason);
    assert.is(await thrownBy(answer), reason);
  }),
);

test(
  "says so when the peer closes before its greeting",
  within(2_000, async () => {
    await using fake = await connectToFake(async (peer) => peer.close());
    assert.is(codeOf(await thrownBy(QmpSession.open(fake.channel))), "QMP_CLOSED");
  }),
);

test(
  "says so at once when the peer closed before the session was opened",
  within(2_000, async () => {
    await using fake = await connectToFake(async (peer) => peer.close());
    const closed = once(fake.channel, "close");
    fake.channel.resume();
    await closed;
    assert.is(codeOf(await thrownBy(QmpSession.open(fake.channel))), "QMP_CLOSED");
  }),
);

test(
  "says so when the peer closes with a command in flight",
  within(2_000, async () => {
    await using fake = await connectToFake(async (peer) => {
      await peer.greet();
      await peer.command();
      peer.close();
    });
    await using session = await QmpSession.open(fake.channel);
    assert.is(codeOf(await thrownBy(session.execute("quit"))), "QMP_CLOSED");
  }),
);

test(
  "gives the events that came before the peer closed, and then says so",
  within(2_000, async () => {
    await using fake = await connectToFake(async (peer) => {
      await peer.greet();
      peer.send({ event: "SHUTDOWN" });
      await sleep(20);
      peer.close();
    });
    await using session = await QmpSession.open(fake.channel);
    await sleep(100);
    assert.is((await session.nextEvent()).name, "SHUTDOWN");
    assert.is(codeOf(await thrownBy(session.nextEvent())), "QMP_CLOSED");
    assert.is(codeOf(await thrownBy(session.execute("cont"))), "QMP_CLOSED");
  }),
);

test(
  "limits the wait for a greeting that never comes",
  within(2_000, async () => {
    await using fake = await connectToFake(async () => {});
    assert.is(codeOf(await thrownBy(QmpSession.open(fake.channel, { limitMs: 30 }))), "QMP_TIMEOUT");
  }),
);

test(
  "gives up on a peer that does not speak QMP, with its words",
  within(2_000, async () => {
    await using fake = await connectToFake(async (peer) => {
      await peer.greet();
      await peer.command();
      peer.sendRaw('{"return": {}\r\n');
    });
    await using session = await QmpSession.open(fake.channel);
    const error = await thrownBy(session.execute("query-name"));
    assert.is(codeOf(error), "QMP_MALFORMED");
    assert.match(String(error), '{\\"return\\": {}');
  }),
);

test.run();

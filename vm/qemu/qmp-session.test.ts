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
  "a session reads QEMU's version from the greeting, and returns an answer",
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
  "a session keeps events that arrive before the answer",
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
  "a session reads messages that arrive in single characters",
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
  "a session sends the next command only after the answer to the previous one",
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
  "a refused command throws QEMU's message, and the session continues",
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
  "a late answer is not mistaken for the answer to the next command",
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
  "a command whose caller gives up in the queue is not sent",
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
  "an aborted wait fails with the signal's reason",
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
  "open() fails with QMP_CLOSED if the peer closes before its greeting",
  within(2_000, async () => {
    await using fake = await connectToFake(async (peer) => peer.close());
    assert.is(codeOf(await thrownBy(QmpSession.open(fake.channel))), "QMP_CLOSED");
  }),
);

test(
  "open() fails with QMP_CLOSED if the peer has already closed",
  within(2_000, async () => {
    await using fake = await connectToFake(async (peer) => peer.close());
    const closed = once(fake.channel, "close");
    fake.channel.resume();
    await closed;
    assert.is(codeOf(await thrownBy(QmpSession.open(fake.channel))), "QMP_CLOSED");
  }),
);

test(
  "a command fails with QMP_CLOSED if the peer closes before the answer",
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
  "nextEvent() returns the events from before the peer closed, and then fails with QMP_CLOSED",
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
  "open() fails with QMP_TIMEOUT if no greeting arrives",
  within(2_000, async () => {
    await using fake = await connectToFake(async () => {});
    assert.is(codeOf(await thrownBy(QmpSession.open(fake.channel, { limitMs: 30 }))), "QMP_TIMEOUT");
  }),
);

test(
  "a line that is not QMP fails the command with QMP_MALFORMED, and the message quotes the line",
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

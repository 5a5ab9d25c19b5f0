import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VmError } from "../vm-error.js";
import { parseBlockNodes, parseChardevs, parseJobs, parseMigration, parseQmpMessage } from "./qmp-message.js";

const test = suite("qmp-message");

const malformed = (error: unknown) => error instanceof VmError && error.code === "QMP_MALFORMED";

test("parseQmpMessage reads the greeting of a real QEMU", () => {
  const line =
    '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}\r';
  assert.equal(parseQmpMessage(line), { kind: "greeting", qemuVersion: "7.2.22" });
});

test("parseQmpMessage reads an answer, an error and an event", () => {
  assert.equal(parseQmpMessage('{"return": {"a": 1}, "id": 4}'), { kind: "return", id: 4, value: { a: 1 } });
  assert.equal(parseQmpMessage('{"error": {"class": "GenericError", "desc": "no"}}'), {
    kind: "error",
    id: undefined,
    class: "GenericError",
    desc: "no",
  });
  assert.equal(parseQmpMessage('{"timestamp": {}, "event": "SHUTDOWN", "data": {"guest": true}}'), {
    kind: "event",
    name: "SHUTDOWN",
    data: { guest: true },
  });
  assert.equal(parseQmpMessage('{"event": "STOP"}'), { kind: "event", name: "STOP", data: {} });
});

for (const line of ["not json", "[]", "null", "{}", '{"QMP": 1}', '{"event": 1}', '{"return": ']) {
  test(`parseQmpMessage rejects ${line} and quotes it`, () => {
    assert.throws(
      () => parseQmpMessage(line),
      (error: unknown) => malformed(error) && (error as Error).message.includes(JSON.stringify(line)),
    );
  });
}

test("parseChardevs reads the paths of character devices, and rejects a device without a path", () => {
  assert.equal(parseChardevs([{ label: "ttyS1", filename: "pty:/dev/pts/5", "frontend-open": true }]), [
    { label: "ttyS1", filename: "pty:/dev/pts/5" },
  ]);
  assert.throws(() => parseChardevs([{ label: "ttyS1" }]), malformed);
  assert.throws(() => parseChardevs("ttyS1"), malformed);
});

test("the states of migrations, jobs and block nodes are read, and an answer without one is rejected", () => {
  assert.equal(parseMigration({}), { status: undefined, error: undefined });
  assert.equal(parseMigration({ status: "failed", "error-desc": "no" }), { status: "failed", error: "no" });
  assert.equal(parseJobs([{ id: "create", type: "create", status: "concluded" }]), [
    { id: "create", status: "concluded" },
  ]);
  assert.throws(() => parseJobs([{ id: "create" }]), malformed);
  assert.throws(
    () => parseJobs([{ id: "create" }]),
    /^unexpected answer of QEMU to query-jobs, \[\{"id":"create"\}\]: 0\.status: .*undefined/,
  );
  assert.throws(() => parseMigration({ status: 1 }), malformed);
  assert.equal(parseBlockNodes([{ "node-name": "disk0", image: { "virtual-size": 512 } }]), [
    { name: "disk0", virtualSize: 512 },
  ]);
  assert.throws(() => parseBlockNodes([{ "node-name": "disk0" }]), malformed);
});

test.run();

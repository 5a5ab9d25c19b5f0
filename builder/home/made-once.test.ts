import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { openHome } from "./home.js";
import { claimWork } from "./made-once.js";
import { OwnerLock } from "./owner.js";

const test = suite("made once");

test("a second claim waits, with the first one's pid as its status, until it gets the lock or its signal aborts", async () => {
  await using dir = await TempDir.create("made-once");
  const home = await openHome(dir.path);
  const statuses: string[] = [];
  const step = { status: (text: string) => void statuses.push(text), result: () => {} };
  const first = await OwnerLock.take(join(home.locks, "key"), "it");
  const second = claimWork(home, "key", step);
  const controller = new AbortController();
  const impatient = claimWork(home, "key", step, controller.signal).then(
    () => "its turn",
    (error: Error) => error.message,
  );
  setTimeout(() => controller.abort(new Error("enough")), 50);
  assert.is(await impatient, "enough");
  await using _other = await claimWork(home, "another key", step);
  await first[Symbol.asyncDispose]();
  await using _mine = await second;
  assert.match(statuses[0] ?? "", `waiting for another livelab (pid ${process.pid}) to finish the same work`);
});

test.run();

import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../vm/temp-dir.js";
import { openHome } from "./home.js";
import { claimMaking } from "./made-once.js";
import { OwnerLock } from "./owner.js";

const test = suite("made once");

test("the second is told who makes it, and has its turn when that is done, or gives up with its signal", async () => {
  await using dir = await TempDir.create("made-once");
  const home = await openHome(dir.path);
  const statuses: string[] = [];
  const step = { status: (text: string) => void statuses.push(text), result: () => {} };
  const first = await OwnerLock.take(join(home.locks, "key"), "it");
  const second = claimMaking(home, "key", step);
  const patience = new AbortController();
  const impatient = claimMaking(home, "key", step, patience.signal).then(
    () => "its turn",
    (error: Error) => error.message,
  );
  setTimeout(() => patience.abort(new Error("enough")), 50);
  assert.is(await impatient, "enough");
  await using _other = await claimMaking(home, "another key", step);
  await first[Symbol.asyncDispose]();
  await using _mine = await second;
  assert.match(statuses[0] ?? "", `in use by another livelab, process ${process.pid}`);
});

test.run();

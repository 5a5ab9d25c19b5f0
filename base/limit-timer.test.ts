import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startLimitTimer } from "./limit-timer.js";
import { findProjectRoot } from "./project-root.js";

const test = suite("limit timer");

test("a limit ends once, whether it is shorter or longer than a step", async () => {
  let ended = 0;
  for (const limitMs of [0, 10, 1_200]) startLimitTimer(limitMs, () => (ended += 1));
  while (ended < 3) await sleep(10);
  await sleep(20);
  assert.is(ended, 3);
});

test("an ended timer calls nothing, and an unref timer lets the process end", async () => {
  startLimitTimer(10, () => assert.unreachable("it was ended"))();
  startLimitTimer(3_600_000, () => assert.unreachable("it was unref"), { isUnref: true });
  await sleep(50);
});

test("the time in which livelab is stopped does not count", async () => {
  const module = join(findProjectRoot(), "dist/base/limit-timer.js");
  const program = `
    import { startLimitTimer } from ${JSON.stringify(module)};
    const end = startLimitTimer(3_000, () => process.exit(1));
    process.stdin.once("data", () => end());
    console.log("waiting");
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "exit");
  await once(child.stdout, "data");
  const rest = text(child.stdout);
  child.kill("SIGSTOP");
  await sleep(3_500);
  child.kill("SIGCONT");
  child.stdin.end("in time");
  assert.equal(await ended, [0, null]);
  await rest;
});

test.run();

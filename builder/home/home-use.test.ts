import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LivelabError } from "../../base/livelab-error.js";
import { TempDir } from "../../base/temp-dir.js";
import { importLine, namespaceRefusal, startProgram } from "../../fixtures/other-process.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { testUnless } from "../../test/runner/skip-test.js";
import { openHome } from "./home.js";
import { markInUse, takeAlone } from "./home-use.js";
import { startTimeOf } from "./owner.js";
import { sweepHome } from "./sweep.js";

const test = suite("home use");
/** A program that does `work` with the home and waits to be killed. */
const user = (root: string, work: string): string =>
  `${importLine("openHome", "./home.js", import.meta.url)}${importLine("markInUse, takeAlone", "./home-use.js", import.meta.url)}
  const home = await openHome(${JSON.stringify(root)});
  ${work}
  console.log("ready");
  setInterval(() => {}, 1000);`;
const USES = "await markInUse(home);";
const COLLECTS = "await takeAlone(home);";

const refusalOf = async (work: Promise<unknown>): Promise<LivelabError> => (await thrownBy(work)) as LivelabError;

async function assertBusy(work: Promise<unknown>, where: RegExp): Promise<void> {
  const error = await refusalOf(work);
  assert.equal([error.code, error.kind], ["BUSY", "host"]);
  assert.match(error.message, where);
}

const refused = await namespaceRefusal();
for (const elsewhere of [false, true]) {
  const of = elsewhere ? "in other PID, mount and network namespaces" : "in the same namespaces";
  const where = elsewhere ? /another livelab in another container \(.*pid 1 there\)$/ : /another livelab \(pid \d+\)$/;
  const cases: [string, () => Promise<void>][] = [
    [
      `gc is refused while a livelab ${of} uses the home, and runs after that process was killed`,
      async () => {
        await using dir = await TempDir.create("home-use");
        const home = await openHome(dir.path);
        await using one = await startProgram(user(dir.path, USES), elsewhere);
        await using two = await startProgram(user(dir.path, USES), elsewhere);
        await assertBusy(takeAlone(home), where);
        await sweepHome(home, true);
        await one.kill();
        await assertBusy(takeAlone(home), where);
        await two.kill();
        await using _alone = await takeAlone(home);
      },
    ],
    [
      `while a gc ${of} runs, gc and other uses are refused; after it was killed, they are not`,
      async () => {
        await using dir = await TempDir.create("home-use");
        const home = await openHome(dir.path);
        await using gc = await startProgram(user(dir.path, COLLECTS), elsewhere);
        await assertBusy(takeAlone(home), where);
        await assertBusy(markInUse(home), where);
        assert.equal(await readdir(home.machines), [], "a refused use leaves no mark");
        await gc.kill();
        {
          await using _alone = await takeAlone(home);
        }
        await markInUse(home);
      },
    ],
  ];
  for (const [title, work] of cases) {
    testUnless(test, title, elsewhere ? refused : undefined, within(30_000, work));
  }
}

test(
  "a process that uses the home may run gc in it, and use it meanwhile",
  within(10_000, async () => {
    await using dir = await TempDir.create("home-use");
    const home = await openHome(dir.path);
    await markInUse(home);
    {
      await using _alone = await takeAlone(home);
      await markInUse(home);
    }
    await using fresh = await TempDir.create("home-use");
    const other = await openHome(fresh.path);
    await using _alone = await takeAlone(other);
    await markInUse(other);
  }),
);

test(
  "gc is refused while a livelab of a former version uses the home, and runs after its end",
  within(10_000, async () => {
    await using dir = await TempDir.create("home-use");
    const home = await openHome(dir.path);
    await writeFile(join(home.machines, `in-use.${process.pid}-1`), "");
    {
      await using _alone = await takeAlone(home);
    }
    await writeFile(join(home.machines, `in-use.${process.pid}-${startTimeOf(process.pid)}`), "");
    await assertBusy(takeAlone(home), new RegExp(`another livelab \\(pid ${process.pid}\\)$`));
  }),
);

test(
  "a mark is removed when its process ends, and by the next sweep if the process was killed",
  within(20_000, async () => {
    await using dir = await TempDir.create("home-use");
    const home = await openHome(dir.path);
    await using ended = await startProgram(user(dir.path, `${USES} setTimeout(() => process.exit(0), 100);`));
    assert.is((await readdir(home.machines)).length, 1);
    await ended.exited;
    assert.equal(await readdir(home.machines), []);
    await using killed = await startProgram(user(dir.path, USES));
    await killed.kill();
    await sweepHome(home, true);
    assert.equal(await readdir(home.machines), []);
    assert.equal((await readdir(dir.path)).includes("gc.lock"), false);
  }),
);

test(
  "of many processes that start gc or use the home at once, gc never runs together with another",
  within(60_000, async () => {
    await using dir = await TempDir.create("home-use");
    const log = JSON.stringify(join(dir.path, "log"));
    // No line of another process may be between "in" and "out" of a gc.
    const contend = (name: string, work: string): string =>
      `import { appendFileSync } from "node:fs";
      const log = (word) => appendFileSync(${log}, word + " ${name}\\n");
      const pause = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 8));
      const tryTo = async (work) => { try { return await work(); } catch (error) { if (error.code !== "BUSY") throw error; } };
      ${user(dir.path, `${work}\n  console.log("done");\n  process.exit(0);`)}`;
    const collect = `
      for (let turn = 0; turn < 20; turn++) {
        const alone = await tryTo(() => takeAlone(home));
        if (alone !== undefined) { log("in"); await pause(); log("out"); await alone[Symbol.asyncDispose](); }
        await pause();
      }`;
    // A process uses a home until it ends, so each turn is a process.
    const use = `
      for (let turn = 0; turn < 20; turn++) {
        if (await tryTo(async () => { await markInUse(home); return true; })) { log("uses"); await pause(); log("uses"); break; }
        await pause();
      }`;
    const inTurn = async (name: string, work: string, count: number): Promise<void> => {
      for (let turn = 0; turn < count; turn++) {
        await using program = await startProgram(
          contend(`${name}.${turn}`, work),
          refused === undefined && turn % 2 === 0,
        );
        assert.is(await program.exited, 0);
      }
    };
    await openHome(dir.path);
    await Promise.all([inTurn("a", collect, 1), inTurn("b", collect, 1), inTurn("c", use, 3), inTurn("d", use, 3)]);
    let inside: string | undefined;
    let collected = 0;
    for (const line of (await readFile(join(dir.path, "log"), "utf8")).trim().split("\n")) {
      const [word, who] = line.split(" ");
      if (word === "out") {
        assert.is(who, inside, line);
        inside = undefined;
      } else {
        assert.is(inside, undefined, `${line} while ${inside} collects`);
        if (word === "in") {
          inside = who;
          collected += 1;
        }
      }
    }
    assert.ok(collected > 0, "gc had its turn");
  }),
);

test.run();

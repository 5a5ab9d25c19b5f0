/** Tests the calls of `livelab shell` to a fake machine. */
import { PassThrough } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { UsageError } from "../base/livelab-error.js";
import { TempDir } from "../base/temp-dir.js";
import { thrownBy } from "../fixtures/vm-deadline.js";
import type { BuildContext } from "./build-context.js";
import type { ExecOptions } from "./channel/ssh-connection.js";
import { openHome } from "./home/home.js";
import type { ReleaseView } from "./machines/builder-machine.js";
import { saveRelease } from "./release/release.js";
import { openShell, type ShellRequest } from "./shell.js";
import { stageNames } from "./stages/stages.js";

const test = suite("shell");
const STAMP = "20260102T030405Z";
const FOLDER = `/data/debian-live/${STAMP}`;
const ENTER = `cd ${FOLDER} && exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=vt220`;

interface Scene {
  readonly status: number;
  /** Arguments with which the release was shown. */
  readonly view: ReleaseView;
  /** Command lines, each with the way in which it ran. */
  readonly ran: readonly string[];
  readonly stderr: string;
  readonly notes: readonly string[];
  /** Whether the machine has ended. */
  readonly ended: boolean;
}

/** Opens a shell in a release of three stages, the fourth of which failed. */
async function shellWith(changes: Partial<ShellRequest>, { isTty = false } = {}): Promise<Scene> {
  await using dir = await TempDir.create("shell");
  const home = await openHome(dir.path);
  const stages = stageNames
    .slice(0, 3)
    .map((name, index) => ({ name, key: `key${index}`, reused: false, durationMs: 1 }));
  const failedStage = stageNames[3] as string;
  const record = { version: 1, stamp: STAMP, profile: "bookworm", machine: "sandbox", stages, failedStage } as const;
  await saveRelease(home, { ...record, stages });
  const [ran, notes]: [string[], string[]] = [[], []];
  let [view, ended]: [ReleaseView | undefined, boolean] = [undefined, false];
  const ssh = {
    exec: async (command: string, { stdin, onStderr }: ExecOptions) => {
      ran.push(`exec${stdin === undefined ? "" : " with input"}: ${command}`);
      onStderr?.(Buffer.from("said"));
      return { status: 7 };
    },
    terminal: async (command: string, { term }: { term: string }) => {
      ran.push(`terminal ${term}: ${command}`);
      return 8;
    },
  };
  const machines = {
    show: async (asked: ReleaseView) => {
      view = asked;
      return {
        ssh,
        [Symbol.asyncDispose]: async () => {
          ended = true;
        },
      };
    },
  };
  const buildContext = {
    home,
    createGateway: () => ({ [Symbol.asyncDispose]: async () => undefined }),
    ready: async () => ({ machines }),
    options: { signal: new AbortController().signal, progress: { note: (text: string) => notes.push(text) } },
  } as unknown as BuildContext;
  const stderr = new PassThrough();
  const status = await openShell(buildContext, {
    release: STAMP,
    command: [],
    stdin: Object.assign(new PassThrough(), { isTTY: isTty }) as unknown as NodeJS.ReadStream,
    stdout: new PassThrough() as unknown as NodeJS.WriteStream,
    stderr: stderr as unknown as NodeJS.WriteStream,
    term: "vt220",
    ...changes,
  });
  return { status, view: view as unknown as ReleaseView, ran, stderr: String(stderr.read() ?? ""), notes, ended };
}

const refusalOf = async (changes: Partial<ShellRequest>): Promise<UsageError> =>
  (await thrownBy(shellWith(changes))) as UsageError;

test("shell shows the release in its present state, with the files of the failed stage, and ends the machine", async () => {
  const { view, ended } = await shellWith({});
  assert.equal(view, { stamp: STAMP, stages: ["key0", "key1", "key2"], failed: stageNames[3] });
  assert.ok(ended);
});

test("shell --at shows the release as it was before a stage, without the files of later ones", async () => {
  assert.equal((await shellWith({ at: stageNames[2] as string })).view, {
    stamp: STAMP,
    stages: ["key0", "key1"],
    failed: undefined,
  });
  assert.equal((await shellWith({ at: stageNames[0] as string })).view.stages, []);
  assert.equal((await shellWith({ at: stageNames[3] as string })).view.stages, ["key0", "key1", "key2"]);
});

test("shell passes the words of a command unchanged, without input, and returns its errors and status", async () => {
  const { ran, status, stderr } = await shellWith({ command: ["echo", "a b", "$HOME", "it's"] }, { isTty: true });
  assert.equal(ran, [`exec: ${ENTER} echo 'a b' '$HOME' 'it'\\''s'`]);
  assert.is(status, 7);
  assert.is(stderr, "said");
});

test("an input that is not a terminal goes to a shell without a terminal", async () => {
  const { ran } = await shellWith({});
  assert.equal(ran, [`exec with input: ${ENTER} bash --norc`]);
});

test("a terminal gets an interactive shell whose prompt names the release, and a note that changes are thrown away", async () => {
  const { ran, status, notes } = await shellWith({}, { isTty: true });
  assert.is(status, 8);
  assert.match(ran[0] ?? "", `terminal vt220: ${ENTER} PS1=`);
  assert.match(ran[0] ?? "", STAMP);
  assert.match(notes.join(), "your changes are thrown away");
});

test("shell rejects an unknown release, an unknown stage and a stage not reached yet, and lists the valid ones", async () => {
  const noRelease = await refusalOf({ release: "20270101T000000Z" });
  assert.is(noRelease.code, "UNKNOWN_RELEASE");
  assert.match(noRelease.hint ?? "", STAMP);
  const noStage = await refusalOf({ at: "no_such_stage" });
  assert.is(noStage.code, "UNKNOWN_STAGE");
  assert.match(noStage.hint ?? "", stageNames[0] as string);
  const tooFar = await refusalOf({ at: stageNames[4] as string });
  assert.is(tooFar.code, "STAGE_ORDER");
  assert.match(tooFar.hint ?? "", `stages that it has run: ${stageNames.slice(0, 3).join(", ")}`);
});

test.run();

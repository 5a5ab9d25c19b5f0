/** Errors of a stage that fails and whose cleanup fails too, with real logs and a fake machine. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable, type Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { firstError, laterErrors } from "../../base/first-error.js";
import type { LivelabError } from "../../base/livelab-error.js";
import { silentStep } from "../../base/progress/progress.js";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import { type ExecOptions, SshError } from "../channel/ssh-connection.js";
import { openHome } from "../home/home.js";
import type { StageMachine } from "../machines/builder-machine.js";
import { loadLock } from "../profile/lock.js";
import { loadProfile } from "../profile/profiles.js";
import { Gateway } from "../store/gateway.js";
import { runStage, type StageContext } from "./stage-run.js";

const test = suite("stage run");
const STAMP = "20260102T030405Z";

/** Writes the stage's output and returns its status, or throws. */
type Script = (stdout: Writable) => Promise<number>;

const fails: Script = async (stdout) => {
  stdout.write("cannot find the thing\n");
  return 9;
};

interface Scene {
  readonly notes: readonly string[];
  readonly error: LivelabError;
  readonly thrown: unknown;
  /** Whether the machine was disposed. */
  readonly ended: boolean;
}

/** Runs a stage with `script` as its command, in a fake machine with the members of `machine`. */
async function runWith(
  script: Script,
  machine: Partial<StageMachine> = {},
  logs: "folder" | "file" = "folder",
): Promise<Scene> {
  await using dir = await TempDir.create("stage-run");
  const home = await openHome(join(dir.path, "home"));
  const release = join(home.builds, STAMP);
  await mkdir(release);
  if (logs === "folder") await mkdir(join(release, "logs"));
  else await writeFile(join(release, "logs"), "");
  const root = findProjectRoot();
  const notes: string[] = [];
  let ended = false;
  const ssh = {
    forwardFrom: async () => undefined,
    exec: async (_command: string, { stdin, stdout }: ExecOptions) => {
      if (stdin instanceof Readable) await buffer(stdin);
      const status = stdout === undefined ? 0 : await script(stdout);
      return { status, killedBy: undefined, stdout: Buffer.alloc(0), stderr: "" };
    },
  };
  await using gateway = new Gateway();
  const context = {
    home,
    gateway,
    stamp: STAMP,
    proto: join(root, "proto"),
    material: { lock: await loadLock(root, loadProfile("bookworm")), stageFolder: join(root, "fixtures/stages") },
    machines: {
      kind: "sandbox",
      timeScale: 1,
      begin: async () => ({
        ssh,
        whyLost: async () => "ended: SIGKILL",
        keepFailed: async () => undefined,
        commit: async () => undefined,
        [Symbol.asyncDispose]: async () => {
          ended = true;
        },
        ...machine,
      }),
    },
    progress: { note: (text: string) => notes.push(text) },
  } as unknown as StageContext;
  const stage = { name: "toy_fail", summary: "", sets: [], limitMinutes: 1 };
  const thrown = await thrownBy(runStage(context, stage, "key", [], silentStep, async () => true));
  return { notes, thrown, error: firstError(thrown) as LivelabError, ended };
}

const breaks = async (): Promise<never> => {
  throw new Error("the disk is gone");
};

test("a stage's failure stays the error if its files cannot be kept, and a note reports that", async () => {
  const { error, notes, ended } = await runWith(fails, { keepFailed: breaks });
  assert.is(error.code, "STAGE_FAILED");
  assert.match(error.message, "| cannot find the thing");
  assert.equal(notes, ["cannot keep the files of stage toy_fail for inspection: the disk is gone"]);
  assert.ok(ended);
});

test("a stage's failure is the first error if its machine cannot be ended either", async () => {
  const { thrown, error } = await runWith(fails, { [Symbol.asyncDispose]: breaks });
  assert.is(error.code, "STAGE_FAILED");
  assert.equal(
    laterErrors(thrown).map((later) => (later as Error).message),
    ["the disk is gone"],
  );
});

test("a lost machine is reported as lost, even if the stage's files cannot be kept", async () => {
  const lost: Script = async () => {
    throw new SshError("CONNECTION_LOST", "gone");
  };
  const { error } = await runWith(lost, { keepFailed: breaks });
  assert.is(error.code, "STAGE_FAILED");
  assert.match(error.message, "lost its machine, which ended: SIGKILL");
});

test("a log that cannot be opened is reported as a failure of the host, with its path", async () => {
  const { error } = await runWith(fails, {}, "file");
  assert.equal([error.code, error.kind], ["NOT_WRITABLE", "host"]);
  assert.match(error.message, "logs/toy_fail.log");
});

test.run();

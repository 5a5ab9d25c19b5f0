import { suite } from "uvu";
import * as assert from "uvu/assert";
import { thrownBy } from "../fixtures/vm-deadline.js";
import type { BuildContext } from "./build-context.js";
import { type BuildMachineRequest, chooseBuildMachine } from "./build-machine.js";
import type { Release } from "./release/release.js";

const test = suite("machine of a build");

const release: Release = {
  version: 1,
  stamp: "20260101T000000Z",
  profile: "bookworm",
  machine: "sandbox",
  stages: [],
};
const cloudBase = { kind: "file", path: "/x.qcow2", digest: { algorithm: "sha256", hex: "00" } } as const;

/** A build context on a host where the sandbox works. */
function fakeBuildContext() {
  const notes: string[] = [];
  const buildContext = {
    home: { root: "/dev/null/home" },
    options: {
      projectRoot: "/dev/null/project",
      signal: new AbortController().signal,
      progress: { note: (text: string) => notes.push(text) },
    },
    findLockedKernel: async () => undefined,
    assertSandbox: async () => undefined,
  } as unknown as BuildContext;
  return { buildContext, notes };
}

const never = async (): Promise<BuildContext> => assert.unreachable() as never;
const refusal = async (request: BuildMachineRequest): Promise<string> => {
  const { code, message, hint } = (await thrownBy(chooseBuildMachine(never, request))) as Error & {
    code: string;
    hint: string;
  };
  return `${code}: ${message}; ${hint}`;
};

test("a release continues in the machine in which it began, without opening a build context", async () => {
  assert.is(await chooseBuildMachine(never, { release }), "sandbox");
  assert.is(await chooseBuildMachine(never, { release, machine: "auto" }), "sandbox");
  assert.is(await chooseBuildMachine(never, { release: { ...release, machine: "vm" }, cloudBase }), "vm");
});

test("a release is refused in another machine, with the command for a new one", async () => {
  assert.match(
    await refusal({ release, machine: "vm" }),
    /^OTHER_MACHINE: release 20260101T000000Z was begun in the sandbox .*; make a new release: livelab build --machine vm$/,
  );
});

test("a named machine is used without a note, and a cloud image implies the VM", async () => {
  const { buildContext, notes } = fakeBuildContext();
  const open = async () => buildContext;
  assert.is(await chooseBuildMachine(open, { machine: "sandbox" }), "sandbox");
  assert.is(await chooseBuildMachine(open, { cloudBase }), "vm");
  assert.equal(notes, []);
});

test("a cloud image is refused if the stages run in the sandbox", async () => {
  const { buildContext } = fakeBuildContext();
  const error = (await thrownBy(
    chooseBuildMachine(async () => buildContext, { machine: "sandbox", cloudBase }),
  )) as Error;
  assert.match(error.message, "--base is for the VM");
  assert.match(await refusal({ release, machine: "sandbox", cloudBase }), "BASE_WITHOUT_VM");
});

test.run();

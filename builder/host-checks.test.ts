/** Tests the builder's checks of `livelab doctor`, on hosts that lack one requirement each. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { HostCheck } from "../base/host-check.js";
import { findProjectRoot } from "../base/project-root.js";
import { TempDir } from "../base/temp-dir.js";
import { sha256Of } from "../fixtures/misbehaving-mirror.js";
import { smallLock, smallPackages } from "../fixtures/small-lock.js";
import type { BuildContext } from "./build-context.js";
import type { MachineChoice } from "./choose-machine.js";
import { openHome } from "./home/home.js";
import { checkBuildHost } from "./host-checks.js";
import { Store } from "./store/store.js";

const test = suite("checks of the build host");
const packages = smallPackages(["apt", "jq"], 100);

/** Checks a home that has the `stored` ones of the lock's two packages. @param path the PATH. @default this host's */
async function check(
  { stored = packages, path = process.env["PATH"] }: { stored?: typeof packages; path?: string | undefined } = {},
  choice: MachineChoice = { kind: "sandbox", reason: "emulation, because there is no KVM" },
): Promise<ReadonlyMap<string, HostCheck>> {
  await using dir = await TempDir.create("host-checks");
  const home = await openHome(dir.path);
  const store = await Store.open(home.store);
  for (const { name, bytes } of stored) {
    await store.add(
      sha256Of(bytes),
      (async function* () {
        yield bytes;
      })(),
      name,
      "a test",
    );
  }
  const buildContext = {
    home,
    lock: smallLock(packages),
    store,
    options: { asRoot: process.getuid?.() === 0, projectRoot: findProjectRoot() },
    findMirrors: async () => ({
      debian: [
        { url: "http://127.0.0.1:1/", origin: "LIVELAB_MIRROR" },
        { url: "http://127.0.0.1:2/", origin: "apt's sources" },
      ],
    }),
  } as unknown as BuildContext;
  const before = process.env["PATH"];
  process.env["PATH"] = path;
  try {
    return new Map((await checkBuildHost(buildContext, choice)).map((each) => [each.name, each]));
  } finally {
    process.env["PATH"] = before;
  }
}

test("exactly the checks that are not ok have a remedy", async () => {
  for (const { name, state, remedy } of (await check({ stored: [] })).values()) {
    assert.is(remedy !== undefined, state !== "ok", name);
  }
});

test("inputs that are all in the store are ok, and no mirrors are searched for", async () => {
  const inputs = (await check()).get("inputs of profile bookworm");
  assert.equal([inputs?.state, inputs?.detail], ["ok", "all 2 files are in the store"]);
});

test("inputs that are not in the store yield a warning with their number and the mirrors that have them", async () => {
  const inputs = (await check({ stored: packages.slice(0, 1) })).get("inputs of profile bookworm");
  assert.is(inputs?.state, "warning");
  assert.match(inputs?.detail ?? "", "1 of 2 files are not in the store yet");
  assert.match(inputs?.detail ?? "", "LIVELAB_MIRROR, then apt's sources");
  assert.match(inputs?.remedy ?? "", "livelab inputs fetch");
});

test("the check of the builder machine names the machine and the reason", async () => {
  const sandbox = (await check()).get("builder machine");
  assert.match(sandbox?.detail ?? "", "the sandbox; a VM would run with emulation, because there is no KVM");
  const vm = (await check({}, { kind: "vm", reason: "a kernel ran under KVM" })).get("builder machine");
  assert.is(vm?.detail, "a VM: a kernel ran under KVM");
});

test("the check of LIVELAB_HOME names the free space and the folder, and warns of too little", async () => {
  const room = (await check()).get("LIVELAB_HOME");
  assert.match(room?.detail ?? "", /free in .*livelab-host-checks-/);
  assert.ok(room?.state === "ok" || /takes up to 6\.0 GiB/.test(room?.detail ?? ""), room?.detail);
});

test.run();

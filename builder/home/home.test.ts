import { chmod, chown, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { needsRoot, testUnless } from "../../test/runner/skip-test.js";
import type { BuilderError } from "../builder-error.js";
import { openHome } from "./home.js";

const test = suite("openHome()");
/** An ordinary user, with and without an entry in /etc/passwd. */
const NOBODY = 65534;
const NUMBER = 54321;

const refusalOf = (root: string): Promise<BuilderError> =>
  openHome(root).then(
    () => assert.unreachable("openHome() accepted the folder") as never,
    (error: BuilderError) => error,
  );

/** Opens a home as another user. @returns the error, or undefined */
async function openAs(uid: number, root: string): Promise<Pick<BuilderError, "kind" | "message" | "hint"> | undefined> {
  const program = `
    import { openHome } from ${JSON.stringify(join(findProjectRoot(), "dist/builder/home/home.js"))};
    try {
      await openHome(process.argv[1]);
      console.log("{}");
    } catch ({ kind, message, hint }) {
      console.log(JSON.stringify({ kind: kind ?? "not of livelab", message, hint }));
    }`;
  const { stdout } = await runProgram("setpriv", [
    ...["--reuid", `${uid}`, "--regid", `${uid}`, "--clear-groups", process.execPath],
    ...["--input-type=module", "-e", program, root],
  ]);
  const { kind, message, hint } = JSON.parse(stdout);
  return kind === undefined ? undefined : { kind, message, hint };
}

test("makes a missing home with all its folders, and opens it again", async () => {
  await using dir = await TempDir.create("home");
  const root = join(dir.path, "a/b");
  await openHome(root);
  await openHome(root);
  assert.equal((await readdir(root)).sort(), [
    "bases",
    "builds",
    "layers",
    "locks",
    "machines",
    "store",
    "tools",
    "vm",
  ]);
});

test("names the path and the reason if it is a file, below a file, a bad link or too long", async () => {
  await using dir = await TempDir.create("home");
  await writeFile(join(dir.path, "file"), "");
  await symlink("nowhere", join(dir.path, "link"));
  await symlink("circle", join(dir.path, "circle"));
  for (const [name, says] of [
    ["file", "something that is not a folder is in its place"],
    ["file/below", "a part of the path is not a folder"],
    ["link", "is a link to nowhere, which does not exist"],
    ["circle", "its links lead in a circle"],
    ["x".repeat(300), "the path is too long"],
  ] as const) {
    const error = await refusalOf(join(dir.path, name));
    assert.is(error.kind, "host");
    assert.match(error.message, join(dir.path, name));
    assert.match(error.message, says);
    assert.match(error.hint ?? "", "set LIVELAB_HOME");
  }
});

const rootTest = (title: string, body: () => Promise<void>): void =>
  testUnless(test, title, needsRoot("to make files of several users"), body);

rootTest("rejects a home that another user filled, completely or in part, with folder, owner and remedy", async () => {
  await using dir = await TempDir.create("home");
  await chmod(dir.path, 0o755);
  const root = join(dir.path, "home");
  const home = await openHome(root);
  for (const folder of ["store/sha256/ab", "builds/one/logs", "bases/key", "layers/key"]) {
    await mkdir(join(root, folder), { recursive: true });
  }
  const own = async (...paths: string[]): Promise<void> => {
    for (const path of paths) await chown(path, NUMBER, NUMBER);
  };
  const refused = async (path: string): Promise<void> => {
    const error = await openAs(NUMBER, root);
    assert.is(error?.kind, "host", path);
    assert.match(error?.message ?? "", `${path} belongs to root (uid 0), and livelab runs as uid ${NUMBER}`);
    assert.match(error?.hint ?? "", `sudo chown -R ${NUMBER} ${root}`);
  };
  await refused(root);
  await own(root);
  await refused(join(root, "bases"));
  await own(...Object.values(home));
  await refused(join(root, "store/sha256"));
  await own(join(root, "store/sha256"));
  await refused(join(root, "store/sha256/ab"));
  await own(join(root, "store/sha256/ab"));
  await refused(join(root, "bases/key"));
  await own(join(root, "bases/key"));
  await chmod(join(root, "layers/key"), 0o777); // writable, but files below it still belong to root
  await refused(join(root, "layers/key"));
  await own(join(root, "layers/key"));
  await refused(join(root, "builds/one"));
  await own(join(root, "builds/one"));
  await refused(join(root, "builds/one/logs"));
  await own(join(root, "builds/one/logs"));
  await writeFile(join(root, "vm/pool.raw"), "");
  await refused(join(root, "vm/pool.raw"));
  await own(join(root, "vm/pool.raw"));
  await writeFile(join(root, "store/sha256/ab/ab12"), ""); // a file of the store is only read
  assert.is(await openAs(NUMBER, root), undefined);
});

rootTest("quotes a home with a space in its path in the commands that take it over", async () => {
  await using dir = await TempDir.create("home");
  await chmod(dir.path, 0o755);
  const root = join(dir.path, "my home");
  await openHome(root);
  assert.match(
    (await openAs(NUMBER, root))?.hint ?? "",
    `sudo rm -rf '${root}/bases' '${root}/layers' && sudo chown -R ${NUMBER} '${root}'`,
  );
});

rootTest("gives no commands that take over a folder with other files than a home's", async () => {
  await using dir = await TempDir.create("home");
  await chmod(dir.path, 0o755);
  await openHome(dir.path);
  await writeFile(join(dir.path, "thesis.txt"), "");
  assert.is((await openAs(NUMBER, dir.path))?.hint, "set LIVELAB_HOME to a folder that belongs to you");
});

test("keeps the probe of another livelab with the same pid, e.g. in another container", async () => {
  await using dir = await TempDir.create("home");
  const probe = `.probe.${process.pid}`;
  await writeFile(join(dir.path, probe), "");
  await openHome(dir.path);
  assert.equal(
    (await readdir(dir.path)).filter((name) => name.startsWith(".")),
    [probe],
  );
});

rootTest("rejects an ordinary user's home for root, before root writes a file there", async () => {
  await using dir = await TempDir.create("home");
  const root = join(dir.path, "home");
  await mkdir(join(root, "store"), { recursive: true });
  await chown(root, NOBODY, NOBODY);
  await chown(join(root, "store"), NOBODY, NOBODY);
  const error = await refusalOf(root);
  assert.is(error.kind, "host");
  assert.match(error.message, /store belongs to \w+ \(uid 65534\), and livelab runs as root/);
  assert.match(error.hint ?? "", /sudo -u \w+ \.\.\./);
  assert.equal(await readdir(root), ["store"]);
});

rootTest("accepts a home of root in another user's folder, e.g. in a container with a folder of its host", async () => {
  await using dir = await TempDir.create("home");
  await chown(dir.path, NUMBER, NUMBER);
  await openHome(dir.path);
  await openHome(dir.path);
});

rootTest("does not suggest chown for a home that would be made in another user's folder", async () => {
  await using dir = await TempDir.create("home");
  await chmod(dir.path, 0o755);
  for (const root of [join(dir.path, "home"), dir.path]) {
    const error = await openAs(NUMBER, root);
    assert.is(error?.kind, "host");
    assert.match(error?.message ?? "", `permission denied; ${dir.path} belongs to root`);
    assert.not.match(error?.hint ?? "", "chown");
  }
});

rootTest("rejects a home on a read-only file system, completely or in part, also for root", async () => {
  await using dir = await TempDir.create("home");
  const root = join(dir.path, "home");
  await openHome(root);
  for (const part of [root, join(root, "builds")]) {
    const { stdout } = await runProgram("unshare", [
      ...["--mount", "--propagation", "private", "sh", "-euc"],
      'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; exec "$2" --input-type=module -e "$3" "$4"',
      ...["sh", part, process.execPath],
      `import { openHome } from ${JSON.stringify(join(findProjectRoot(), "dist/builder/home/home.js"))};
       await openHome(process.argv[1]).catch(({ kind, message }) => console.log(kind, message));`,
      root,
    ]);
    assert.is(stdout, `host cannot write ${part}: its file system is read-only\n`);
  }
});

test.run();

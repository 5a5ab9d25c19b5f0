/** The check of the root's digest between fetch and mount: which roots pass, and which stop the boot. */
import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FakeInitramfs, type Shell, shells } from "../../fixtures/proto-initramfs.js";

const test = suite("proto: verify");

const root = "what live-boot fetched\n";
const sha1 = createHash("sha1").update(root).digest("hex");

/** Checks a medium as live-boot does. Prints "mounted" if live-boot would continue; otherwise ends after three waits. */
const check = `
sleep() { printf 'waited %s s\\n' "$1"; waits=x$waits; [ "$waits" != xxx ] || exit 0; }
Verify_checksums "$TRITON_SYSROOT/medium" && echo mounted
`;

async function outcome(shell: Shell, hash: string | undefined): Promise<{ said: string[]; console: string[] }> {
  await using initramfs = await FakeInitramfs.create({
    shell,
    files: {
      "medium/live/filesystem.squashfs": root,
      ...(hash !== undefined && { "filesystem.squashfs.hash": hash }),
    },
  });
  const said = (await initramfs.runInLiveBoot(check)).split("\n").filter((line) => line !== "");
  return { said, console: await initramfs.console() };
}

for (const shell of shells) {
  const name = shell.join(" ");

  test(`${name}: a root with the delivered digest is mounted, and the console names the digest`, async () => {
    for (const hash of [`${sha1}\n`, sha1, `${sha1.toUpperCase()}\n`]) {
      assert.equal(await outcome(shell, hash), {
        said: ["mounted"],
        console: [`triton: verified filesystem.squashfs, sha1 ${sha1}`],
      });
    }
  });

  test(`${name}: a root with another digest is never mounted, and the console repeats the reason`, async () => {
    const expected = sha1.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
    const line =
      `triton: error: filesystem.squashfs is not the one that filesystem.squashfs.hash names: expected sha1 ${expected}, ` +
      `got ${sha1}; the boot stops here; reinstall the platform image on the headnode, and reset this machine`;
    assert.equal(await outcome(shell, `${expected}\n`), {
      said: Array(3).fill("waited 30 s"),
      console: Array(3).fill(line),
    });
  });

  test(`${name}: without a delivered digest the root is mounted unverified`, async () => {
    assert.equal(await outcome(shell, undefined), { said: ["mounted"], console: [] });
  });

  test(`${name}: a hash file without a digest is reported, and does not stop the boot`, async () => {
    for (const hash of ["", "\n", "<html>404</html>\n", sha1.slice(1), `${sha1}0`, `${sha1}  filesystem.squashfs\n`]) {
      const { said, console } = await outcome(shell, hash);
      assert.equal(said, ["mounted"], hash);
      assert.equal(console, [
        "triton: error: filesystem.squashfs.hash is not a SHA-1 digest, so the root is not verified; " +
          "reinstall the platform image on the headnode",
      ]);
    }
  });
}

test.run();

/**
 * Tests which files of proto/ the initramfs can depend on: builder/stages/build_initramfs.sh in a builder machine, with a small root
 * and a stand-in for mkinitramfs.
 */
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import type { ExecResult } from "../../builder/channel/ssh-connection.js";
import { streamTree } from "../../builder/stages/proto-tree.js";
import { STAGES_INSIDE, sendFiles } from "../../builder/stages/script-run.js";
import { eitherMachine } from "../../fixtures/sandbox-lack.js";
import { openToyRelease, TOY_STAMP } from "../../fixtures/toy-stage.js";

const test = suite("build_initramfs");

/** A root with the machine's programs and three files of proto/: one in a declared folder, two in others. */
const setUp = `
set -eu
export RELEASE=/tmp/release STAMP=${TOY_STAMP} SOURCE_DATE_EPOCH=0 INITRD_COMPRESSOR=zstd INITRAMFS_FOLDERS="etc/live etc/declared"
root=$RELEASE/chroot
mkdir -p $RELEASE/scratch && mkdir -p $root && cd $root
mkdir -p proc sys dev boot var/tmp sbin usr/share/initramfs-tools etc/declared etc/other "etc/other one"
for folder in bin lib lib64; do mkdir usr/$folder; mount --bind /usr/$folder usr/$folder; ln -s usr/$folder $folder; done
printf 'copy_file()\\n' >usr/share/initramfs-tools/hook-functions
echo declared >etc/declared/file; echo content >etc/other/file; echo content >"etc/other one/file"
ln -s ../declared/file etc/other/link
printf '%s\\n' etc/declared/ etc/declared/file etc/other/file etc/other/link "etc/other one/file" etc/removed >$RELEASE/scratch/proto.files
`;

/** Runs the script in that root. @param made shell commands of mkinitramfs, whose output is the initramfs */
async function makeInitramfs(made: string, after: string): Promise<ExecResult> {
  await using toy = await openToyRelease("build-initramfs", { machine: eitherMachine });
  await using machine = await toy.context.machines.show({ stamp: TOY_STAMP, stages: [] });
  const scripts = await streamTree(join(findProjectRoot(), "builder/stages"), 0);
  await sendFiles(machine, scripts, STAGES_INSIDE, AbortSignal.timeout(60_000));
  return await machine.ssh.exec(`${setUp}
cat >sbin/mkinitramfs <<'END'
#!/bin/sh
exec >"$4"
${made}
END
chmod +x sbin/mkinitramfs
unshare --mount sh ${STAGES_INSIDE}/build_initramfs.sh 6.1
cat boot/initrd.img-6.1
${after}`);
}

test("the initramfs has files of declared folders, directly or through a link, and leaves no mark in the root", async () => {
  const { stdout, stderr, status } = await makeInitramfs(
    "cat /etc/declared/file /etc/other/link; sed -n '/^debian_copy_file()/p; s/^manual_add_modules().*/functions/p' /usr/share/initramfs-tools/hook-functions; mkdir /var/tmp/work",
    'cat etc/other/file "etc/other one/file" usr/share/initramfs-tools/hook-functions; ls -A var/tmp $RELEASE/scratch; grep -c "$root/etc" /proc/self/mounts || :',
  );
  assert.is(status, 0, stderr);
  assert.is(
    stdout.toString(),
    "declared\ndeclared\ndebian_copy_file()\nfunctions\ncontent\ncontent\ncopy_file()\n/tmp/release/scratch:\nproto.files\n\nvar/tmp:\n0\n",
  );
});

test("a file of proto/ outside the declared folders has no content, and the stage that reads it fails with its path", async () => {
  for (const path of ["etc/other/file", "etc/other one/file"]) {
    const { stderr, status } = await makeInitramfs(`grep -c . "/${path}" >&2; cp -p "/${path}" /var/tmp/copy`, "");
    assert.is(status, 1);
    assert.match(stderr, /^0\n/);
    assert.match(stderr, `not among its inputs: ${path} (add their folders to initramfsFolders`);
  }
});

test.run();

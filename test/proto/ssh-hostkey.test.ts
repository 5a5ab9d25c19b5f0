/** SSH host keys: each is made once and completely, and an older image's key is offered. A fake replaces ssh-keygen. */
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";

const test = suite("proto: ssh-hostkey");
const program = join(findProjectRoot(), "proto/usr/triton/bin/ssh-hostkey");
const keyDir = "usr/triton/config/ssh";

/** A fake that records its options, makes keys with the text "key NUMBER", and reads only keys that begin with "key". */
const sshKeygen = `#!/bin/sh
case $1 in
-y) grep -q ^key "$3" ;;
*)
	echo "$*" >>"$TRITON_SYSROOT/made"
	for file do :; done
	[ ! -e "$TRITON_SYSROOT/cut" ] || { echo hal >"$file"; exit 1; }
	echo "key $(wc -l <"$TRITON_SYSROOT/made")" >"$file"
	echo "public" >"$file.pub"
	;;
esac
`;

async function machine(): Promise<TempDir> {
  const dir = await TempDir.create("ssh-hostkey");
  await mkdir(join(dir.path, "bin"));
  await mkdir(join(dir.path, "etc/ssh/sshd_config.d"), { recursive: true });
  await writeFile(join(dir.path, "bin/ssh-keygen"), sshKeygen);
  await chmod(join(dir.path, "bin/ssh-keygen"), 0o755);
  return dir;
}

const run = async ({ path }: TempDir): Promise<string> =>
  (await runProgram(program, [], { env: { PATH: `${path}/bin:${process.env["PATH"]}`, TRITON_SYSROOT: path } })).stdout;
const text = async ({ path }: TempDir, file: string): Promise<string> => await readFile(join(path, file), "utf8");

test("ssh-hostkey makes an ed25519 and a 521-bit ECDSA key, and makes neither a second time", async () => {
  await using dir = await machine();
  await run(dir);
  const key = `${dir.path}/${keyDir}/ssh_host`;
  assert.is(
    await text(dir, "made"),
    `-q -t ed25519 -N  -C  -f ${key}_ed25519_key.new\n-q -t ecdsa -b 521 -N  -C  -f ${key}_ecdsa_key.new\n`,
  );
  assert.is(await text(dir, `${keyDir}/ssh_host_ecdsa_key`), "key 2\n");
  assert.is(await run(dir), "");
  assert.is(await text(dir, `${keyDir}/ssh_host_ecdsa_key`), "key 2\n");
});

test("ssh-hostkey replaces an unreadable key, and keeps the others", async () => {
  await using dir = await machine();
  await run(dir);
  await writeFile(join(dir.path, keyDir, "ssh_host_ed25519_key"), "hal");
  await run(dir);
  assert.is(await text(dir, `${keyDir}/ssh_host_ed25519_key`), "key 3\n");
  assert.is(await text(dir, `${keyDir}/ssh_host_ecdsa_key`), "key 2\n");
});

test("ssh-hostkey fails if a key cannot be made, and makes it the next time", async () => {
  await using dir = await machine();
  await writeFile(join(dir.path, "cut"), "");
  const failed = await run(dir).then(
    () => false,
    () => true,
  );
  assert.is(failed, true, "ssh must not start");
  await writeFile(join(dir.path, "bin/ssh-keygen"), sshKeygen.replace("/cut", "/never"));
  await run(dir);
  assert.is(await text(dir, `${keyDir}/ssh_host_ed25519_key`), "key 2\n");
});

test("ssh-hostkey configures sshd to offer an older image's RSA key, and makes no RSA key itself", async () => {
  await using dir = await machine();
  const listing = "etc/ssh/sshd_config.d/triton-rsa.conf";
  await run(dir);
  assert.is(await text(dir, listing).catch(() => "none"), "none");
  await writeFile(join(dir.path, keyDir, "ssh_host_rsa_key"), "key of old\n");
  await run(dir);
  assert.is(await text(dir, listing), `HostKey ${dir.path}/${keyDir}/ssh_host_rsa_key\n`);
});

test.run();

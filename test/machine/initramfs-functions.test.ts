/**
 * Tests what builder/stages/initramfs_functions.sh adds to an initramfs, in a builder machine, with stand-ins for modprobe and
 * modinfo. A manual comparison, with firmware, showed the same bytes as from Debian's own function.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { eitherMachine } from "../../fixtures/sandbox-lack.js";
import { openToyRelease, TOY_STAMP } from "../../fixtures/toy-stage.js";

const test = suite("initramfs functions");

/** Modules a and b, where b needs a; firmware f1 in two places, f2 a link, f3 missing. */
const setUp = `
set -eu
version=6.1 DESTDIR=/tmp/initramfs
mkdir -p /lib/modules/6.1/kernel/deep /lib/firmware/updates/x /lib/firmware/x "$DESTDIR/usr/lib" /tmp/bin
ln -s usr/lib "$DESTDIR/lib"
for name in a deep/b; do echo "$name" >"/lib/modules/6.1/kernel/$name.ko"; touch -d @1000 "/lib/modules/6.1/kernel/$name.ko"; done
echo newer >/lib/firmware/updates/x/f1; echo older >/lib/firmware/x/f1; echo f2 >/lib/firmware/x/real; ln -s real /lib/firmware/x/f2
cat >/tmp/bin/modprobe <<'END'
#!/bin/sh
echo "modprobe $*" >>/tmp/commands
case "$*" in
*" b"*) printf 'builtin c\\ninsmod /lib/modules/6.1/kernel/a.ko \\ninsmod /lib/modules/6.1/kernel/deep/b.ko option=/lib/x\\n' ;;
*" a"*) echo 'insmod /lib/modules/6.1/kernel/a.ko ' ;;
*) exit 1 ;;
esac
END
cat >/tmp/bin/modinfo <<'END'
#!/bin/sh
echo "modinfo $*" >>/tmp/commands
printf 'x/f2\\nx/f1\\nx/f3\\n'
END
chmod +x /tmp/bin/*
PATH=/tmp/bin:$PATH
debian_copy_file() { echo "copy_file $*" >>/tmp/commands; mkdir -p "$DESTDIR/\${2%/*}"; cp -P "$2" "$DESTDIR\${3:-$2}"; }
debian_copy_exec() { echo "debian_copy_exec $*" >>/tmp/commands; }
. /tmp/functions.sh
`;

/** Runs shell code with the functions. @returns its output */
async function runWithFunctions(code: string): Promise<string> {
  await using toy = await openToyRelease("initramfs-functions", { machine: eitherMachine });
  const { context } = toy;
  await using machine = await context.machines.show({ stamp: TOY_STAMP, stages: [] });
  const functions = await readFile(join(findProjectRoot(), "builder/stages/initramfs_functions.sh"));
  const file = Buffer.concat([Buffer.from("cat >/tmp/functions.sh <<'FUNCTIONS'\n"), functions]);
  const { stdout, stderr, status } = await machine.ssh.exec(`${file}FUNCTIONS\n${setUp}${code}`);
  assert.is(status, 0, stderr.toString());
  return stdout.toString();
}

test("modules and their dependencies are added at their paths with their times, and the first firmware found", async () => {
  const listing = await runWithFunctions(`
    manual_add_modules b
    cd "$DESTDIR" && find . -name '*.ko' -printf '%p %m %Ts\\n' | sort; stat -c %a usr/lib/modules/6.1/kernel
    grep 'copy_file firmware' /tmp/commands`);
  assert.is(
    listing,
    "./usr/lib/modules/6.1/kernel/a.ko 644 1000\n./usr/lib/modules/6.1/kernel/deep/b.ko 644 1000\n755\n" +
      "copy_file firmware /lib/firmware/updates/x/f1\ncopy_file firmware /lib/firmware/./x/f2\n",
  );
});

test("nothing is copied twice, and unknown modules or an empty list add nothing", async () => {
  const commands = await runWithFunctions(`
    manual_add_modules b
    : >/tmp/commands
    manual_add_modules a unknown
    manual_add_modules unknown
    manual_add_modules
    grep -c ^modprobe /tmp/commands; grep -vc ^modprobe /tmp/commands || :`);
  assert.is(commands, "4\n0\n");
});

test("a program is added with the libraries that ldd names, each once, and a missing one is reported as Debian's function does", async () => {
  const [said = "", named] = (
    await runWithFunctions(`
    ln -s usr/lib64 "$DESTDIR/lib64"; mkdir -p "$DESTDIR/usr/lib64"
    copy_exec /usr/bin/find
    copy_exec /usr/bin/xargs /usr/bin/other
    sed 's/copy_file binary //' /tmp/commands
    : >/tmp/commands
    copy_exec /usr/bin/find; copy_file binary /usr/bin/find || echo "again: $?"
    copy_exec /usr/bin/nothing || echo "absent: $?"
    cat /tmp/commands
    echo --
    for program in find xargs; do ldd /usr/bin/$program; done | sed -n 's|.* \\(/[^ ]*\\) (.*|\\1|p; s|^\\t\\(/[^ ]*\\) (.*|\\1|p' | sort -u`)
  ).split("--\n");
  const lines = said.split("\n").slice(0, -1);
  assert.equal(lines.slice(-2), ["again: 1", "absent: 1"]);
  const copied = lines.slice(0, -2);
  assert.equal(
    copied.filter((line) => line.includes("/bin/")),
    ["/usr/bin/find /usr/bin/find", "/usr/bin/xargs /usr/bin/other"],
  );
  const libraries = copied.filter((line) => !line.includes("/bin/")).sort();
  assert.equal(libraries, named?.split("\n").slice(0, -1));
  assert.ok(libraries.length > 2, libraries.join());
});

test.run();

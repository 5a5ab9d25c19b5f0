import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatCommandLine } from "./command-line.js";
import { runProgram } from "./run-program.js";

const test = suite("command-line");

test("is read back by a shell as the same words", async () => {
  const args = ["-append", "console=ttyS1 a=\"b\" $HOME `id` 'quoted'", "-x", "", "-path", "/a b,c\\d", "new\nline"];
  const script = formatCommandLine("printf", ["%s\\0", ...args]);
  const { stdout } = await runProgram("/bin/sh", ["-c", script]);
  assert.equal(stdout.split("\0").slice(0, -1), args);
});

test("keeps a flag and its value on one line", () => {
  assert.is(formatCommandLine("qemu", ["-m", "32M", "-S", "-smp", "1"]), "qemu \\\n  -m 32M \\\n  -S \\\n  -smp 1\n");
});

test.run();

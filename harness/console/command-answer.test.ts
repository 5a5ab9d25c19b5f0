import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runProgram } from "../../base/run-program.js";
import { cksum } from "./cksum.js";
import { CommandAnswer } from "./command-answer.js";

const test = suite("CommandAnswer");

/** The lines of receiver.sh's answer to a command. */
function answerOf(status: number, stdout: Buffer, stderr: Buffer): string[] {
  const head = `${status} ${cksum(stdout)} ${stdout.length} ${cksum(stderr)} ${stderr.length}`;
  const lines = (bytes: Buffer): string[] => bytes.toString("base64").match(/.{1,240}/g) ?? [];
  return ["", `${head} ${cksum(`${head}\n`)}`, ...lines(stdout), ...lines(stderr)];
}

test("cksum() returns the checksum that cksum(1) prints", async () => {
  for (const text of ["", "a", "The quick brown fox", "x".repeat(70_000)]) {
    const { stdout } = await runProgram("cksum", [], { stdin: text, limitMs: 5_000 });
    assert.is(`${cksum(text)} ${text.length}\n`, stdout);
  }
});

test("CommandAnswer accepts lines in any order, and requests missing and cut lines", () => {
  const stdout = Buffer.from("o".repeat(1_000));
  const lines = answerOf(4, stdout, Buffer.from("warned"));
  const answer = new CommandAnswer();
  assert.is(answer.missing(100), "1p");
  answer.take(4, lines[4] ?? "");
  answer.take(1, lines[1] ?? "");
  answer.take(3, `${lines[3]?.slice(0, 100)}[   12.300000] usb`);
  answer.take(5, lines[5]?.slice(1) ?? "");
  assert.is(answer.missing(100), "2,3p;5,8p");
  assert.is(answer.missing(3), "2,3p;5p");
  for (const number of [8, 7, 6, 5, 3, 2]) answer.take(number, lines[number] ?? "");
  assert.is(answer.missing(100), undefined);
  const result = answer.result();
  assert.is(result?.status, 4);
  assert.is(result?.stdout, stdout.toString());
  assert.is(result?.stderr, "warned");
});

test("CommandAnswer ignores a first line with a wrong checksum", () => {
  const answer = new CommandAnswer();
  const [, head = ""] = answerOf(10, Buffer.alloc(0), Buffer.alloc(0));
  answer.take(1, head.replace(/^10/, "1"));
  assert.is(answer.missing(100), "1p");
  answer.take(1, head);
  assert.is(answer.missing(100), undefined);
  assert.is(answer.result()?.status, 10);
});

test("CommandAnswer requests all lines again if the checksum of the output is wrong", () => {
  const lines = answerOf(0, Buffer.from("right"), Buffer.alloc(0));
  const answer = new CommandAnswer();
  answer.take(1, lines[1] ?? "");
  answer.take(2, Buffer.from("wrong").toString("base64"));
  assert.is(answer.result(), undefined);
  assert.is(answer.missing(100), "1p");
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { laterArguments } from "../../fixtures/later-arguments.js";
import { formatFileWarning } from "../cn-files/file-warning.js";
import { type BootScriptOptions, bootScript, ownArguments } from "../headnode/boot-script.js";
import {
  checkAppended,
  checkCommandLine,
  cnapiArguments,
  collisionWarnings,
  LONGEST_COMMAND_LINE,
  linuxCommandLine,
} from "./kernel-arguments.js";

const test = suite("kernel arguments");

const script: BootScriptOptions = {
  stamp: "20260102T030405Z",
  mac: "52:54:00:99:00:38",
  ip: "10.99.99.38",
  netmask: "255.255.255.0",
  headnode: "10.99.99.7",
  source: "http",
  httpPort: 80,
  serial: "ttyb",
  kernelArguments: [],
  hashFiles: false,
  bootFiles: [],
};

const codeOf = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    const { kind, code, hint } = error as { kind: string; code: string; hint?: string };
    assert.ok(hint);
    return `${kind} ${code}`;
  }
  return "none";
};

test("an argument whose meaning iPXE or Linux would change is rejected", () => {
  for (const argument of [
    "",
    "  ",
    "a\nb",
    "a\tb",
    "ä=1",
    "a\x1b",
    'x="a',
    "x=\x24{net0/mac}",
    "a ; b",
    "&&",
    "a || b",
    "#a",
    "a #b",
  ]) {
    assert.is(
      codeOf(() => checkAppended(argument)),
      "usage BAD_APPEND",
      argument,
    );
  }
  for (const argument of ["quiet", "x=1", 'x="a b"', "a b", "x='a", "x=a;b", "x=#a", "x=$a", "x={a}", "x=a||b"]) {
    assert.is(
      codeOf(() => checkAppended(argument)),
      "none",
      argument,
    );
  }
});

test("of two arguments with one name, an operator's hostname and NIC tags win, and booter's aggregations win", () => {
  const nics = ["admin_nic=aggr0", 'aggr0_aggr="a,b"', "aggr0_lacp_mode=active"];
  const rabbitmq = "rabbitmq=guest:guest:10.99.99.20:5672";
  const own = ["hostname=cn-38", rabbitmq];
  const argumentsWith = (...appended: string[]) => cnapiArguments({ hostname: own[0], rabbitmq, appended, nics });
  assert.equal(argumentsWith("x=1", "quiet"), [...own, "x=1", "quiet", ...nics]);
  assert.equal(argumentsWith("x=1", "admin_nic=52:54:00:99:00:39"), [
    ...own,
    "x=1",
    "admin_nic=52:54:00:99:00:39",
    ...nics.slice(1),
  ]);
  assert.equal(argumentsWith("aggr0_lacp_mode=off", "y"), [...own, "aggr0_lacp_mode=active", "y", ...nics.slice(0, 2)]);
  for (const [text, becomes] of [
    ["foo=1 aggr0_lacp_mode=off", "foo=1 aggr0_lacp_mode=active"],
    [" aggr0_lacp_mode=off", " aggr0_lacp_mode=active"],
    ['aggr0_lacp_mode="off  now" y', "aggr0_lacp_mode=active y"],
  ] as const) {
    assert.equal(argumentsWith(text), [...own, becomes, ...nics.slice(0, 2)], text);
  }
  const quoted = 'x="a aggr0_lacp_mode=off"';
  assert.equal(argumentsWith(quoted), [...own, quoted, ...nics]);
  assert.equal(cnapiArguments({ hostname: undefined, rabbitmq, appended: ["console=a", "console=b"], nics: [] }), [
    rabbitmq,
    "console=a",
    "console=b",
  ]);
});

test("CNAPI's hostname= and rabbitmq= come first, and an operator's take their places", () => {
  const nics = ["admin_nic=52:54:00:99:00:38"];
  const rabbitmq = "rabbitmq=guest:guest:10.99.99.20:5672";
  const argumentsWith = (hostname: string | undefined, ...appended: string[]) =>
    cnapiArguments({ hostname, rabbitmq, appended, nics });
  assert.equal(argumentsWith(undefined), [rabbitmq, ...nics]);
  assert.equal(argumentsWith("hostname=cn-38", "x=1", "hostname=cn-39"), ["hostname=cn-39", rabbitmq, "x=1", ...nics]);
  assert.equal(argumentsWith(undefined, "x=1", "hostname=cn-39"), ["hostname=cn-39", rabbitmq, "x=1", ...nics]);
  assert.equal(argumentsWith(undefined, 'x="a  b" rabbitmq=a:b:c:1 y', "rabbitmq=d:e:f:2"), [
    "rabbitmq=d:e:f:2",
    'x="a  b"  y',
    ...nics,
  ]);
  const quoted = 'x="a rabbitmq=b"';
  assert.equal(argumentsWith(undefined, quoted), [rabbitmq, quoted, ...nics]);
});

test("an argument with the name of another causes a warning that says which one takes effect", () => {
  const cnapi = {
    hostname: "hostname=cn-38",
    rabbitmq: "rabbitmq=a:b:10.0.0.1:1",
    nics: ["admin_nic=52:54:00:99:00:38", "aggr0_lacp_mode=active"],
  };
  const warningsOf = (...appended: string[]): string =>
    collisionWarnings({ ...cnapi, appended }, ownArguments(script))
      .map(formatFileWarning)
      .join("\n");
  for (const [argument, says] of [
    ["ip=dhcp", /^--append ip=dhcp: lacks a valid value, unlike booter's own ip=10\.99\.99\.38:::255\.255\.255\.0::, /],
    ["ip=10.9.9.9:::255.0.0.0::", /and overrides it/],
    ["BOOTIF=eth0", /lacks a valid value, unlike booter's own BOOTIF=01-52-54-00-99-00-38, /],
    ["BOOTIF=01-52-54-00-99-00-39", /and overrides it/],
    ["boot=local", /comes after booter's own boot=live and overrides it/],
    ["console=ttyS0", /it becomes \/dev\/console/],
    ["fetch=http://10.0.0.1/x", /comes before booter's own fetch=http:.*, which takes effect/],
    ["hostname=cn-39", /replaces hostname=cn-38/],
    ["admin_nic=52:54:00:99:00:39", /replaces admin_nic=/],
    ["aggr0_lacp_mode=off", /is replaced by aggr0_lacp_mode=active/],
    ["quiet ip=dhcp", /^--append ip=dhcp: lacks/],
  ] as const) {
    assert.match(warningsOf(argument), says, argument);
    assert.is(warningsOf(argument).split("\n").length, 1);
  }
  assert.is(
    warningsOf("quiet", "x=1", "boot=live", "ipx=1", "hostname=cn-38", "fetch"),
    "--append fetch: comes before booter's own fetch=http://10.99.99.7/os/20260102T030405Z/platform/x86_64/filesystem.squashfs, which takes effect. Remedy: leave it out, unless you want this effect",
  );
});

test("an appended ip= or BOOTIF= is said to override booter's own if and only if the image uses it", () => {
  for (const { text, uses } of laterArguments) {
    const cnapi = { hostname: undefined, rabbitmq: "", nics: [], appended: [text] };
    const said = collisionWarnings(cnapi, ownArguments(script)).map(formatFileWarning).join("\n");
    assert.is(said.includes("and overrides it"), uses !== undefined, text);
  }
});

test("Linux gets the line of the boot script with single spaces, and on UEFI with the kernel's name before it", () => {
  const line = bootScript({ ...script, kernelArguments: ['x="a  b"'] }).split("\n")[1] ?? "";
  const expected =
    "boot=live console=tty0 console=ttyS1,115200n8 BOOTIF=01-52-54-00-99-00-38 ip=10.99.99.38:::255.255.255.0:: " +
    'x="a b" fetch=http://10.99.99.7/os/20260102T030405Z/platform/x86_64/filesystem.squashfs';
  assert.is(linuxCommandLine(line, "bios"), expected);
  assert.is(linuxCommandLine(line, "uefi"), `vmlinuz ${expected}`);
});

test("a command line one byte too long is rejected with its length, the limit and the longest argument", () => {
  const rest = "x".repeat(100);
  const appended = ["quiet", `x=${"a".repeat(LONGEST_COMMAND_LINE - 100)}`];
  const lineOf = (bytes: number): string => rest.padEnd(bytes, "a");
  assert.equal(checkCommandLine(lineOf(LONGEST_COMMAND_LINE), appended), []);
  try {
    checkCommandLine(lineOf(LONGEST_COMMAND_LINE + 1), appended);
    assert.unreachable();
  } catch (error) {
    const { kind, code, message, hint } = error as { kind: string; code: string; message: string; hint: string };
    assert.is(`${kind} ${code}`, "usage COMMAND_LINE_TOO_LONG");
    assert.match(message, "would have 2048 bytes, but Linux on x86 accepts 2047");
    assert.match(message, "fetch=");
    assert.match(hint, 'by at least 1 byte; the longest is --append "x=aaaa');
    assert.match(hint, "(1949 bytes)");
  }
});

test("a command line that the files alone make too long causes a warning only, because booter would serve it", () => {
  const [warning] = checkCommandLine("x".repeat(3000), ["quiet"], "n.json");
  assert.match(
    warning === undefined ? "" : formatFileWarning(warning),
    /^n\.json: leads to a kernel command line of 3000 bytes, but Linux on x86 accepts 2047/,
  );
});

test.run();

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { InputError } from "../builder-error.js";
import { formatDeb822, parseDeb822 } from "./deb822.js";

const test = suite("deb822");

/** From /var/lib/dpkg/status of a Debian 12 machine. */
const debconf = `Package: debconf
Status: install ok installed
Conffiles:
 /etc/apt/apt.conf.d/70debconf 7e9d09d5801a42b4926b736b8eeabb73
 /etc/debconf.conf 8c0619be413824f1fc7698cee0f23811
Description: Debian configuration management system
 Debconf is a configuration management system for debian packages. Packages
 use Debconf to ask questions when they are installed.
 .
 One blank line above.

`;

const failure = (text: string): InputError => {
  try {
    parseDeb822(text, "x.Packages");
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};

test("formatDeb822 writes a parsed stanza of several lines unchanged", () => {
  assert.is(formatDeb822(parseDeb822(debconf, "status")), debconf);
});

test("formatDeb822 writes every parsed lock file of the project byte for byte", async () => {
  for (const set of ["base", "zfs-build", "image"]) {
    const file = join(findProjectRoot(), "builder/lock/bookworm", `${set}.Packages`);
    const text = await readFile(file, "utf8");
    assert.is(formatDeb822(parseDeb822(text, file)), text, set);
  }
});

test("a stanza keeps the order of its fields, and finds a field in upper or lower case", () => {
  const [stanza] = parseDeb822("Zeta: 1\nAlpha: 2\n", "x");
  assert.equal(stanza?.fields, [
    { name: "Zeta", value: "1" },
    { name: "Alpha", value: "2" },
  ]);
  assert.is(stanza?.get("ALPHA"), "2");
});

test("parseDeb822 skips comments, also within a field, and a blank line ends a stanza", () => {
  const stanzas = parseDeb822("# first\nA: 1\n# inside\n more\n \t\nB: 2", "x");
  assert.equal(
    stanzas.map(({ fields }) => fields),
    [[{ name: "A", value: "1\n more" }], [{ name: "B", value: "2" }]],
  );
});

test("parseDeb822 accepts Windows line ends, and records where a stanza begins", () => {
  const [, second] = parseDeb822("A: 1\r\n\r\n\r\nB: 2\r\n", "x");
  assert.is(second?.get("B"), "2");
  assert.is(second?.place, "x:4");
});

test("parseDeb822 names file and line of a malformed line", () => {
  const error = failure("A: 1\n\nB: 2\nnonsense\n");
  assert.is(error.code, "MALFORMED");
  assert.is(error.message, 'x.Packages:4: neither a field nor a continuation: "nonsense"');
});

test("parseDeb822 names file and line of a duplicate field", () => {
  assert.is(failure("A: 1\nB: 2\na: 3\n").message, "x.Packages:3: field a appears twice in one stanza");
});

test("parseDeb822 rejects a continuation line without a field", () => {
  assert.is(failure("A: 1\n\n more\n").message, "x.Packages:3: a continuation line without a field before it");
});

test("parseDeb822 rejects field names that begin with a hyphen or contain a space", () => {
  assert.match(failure("-A: 1\n").message, "x.Packages:1: neither a field");
  assert.match(failure("A B: 1\n").message, "x.Packages:1: neither a field");
});

test("the error for a missing field names the field and the place of the stanza", () => {
  const [stanza] = parseDeb822("\nPackage: apt\nVersion:\n", "x");
  assert.throws(() => stanza?.require("Version"), /^x:2: the stanza has no Version$/);
});

test.run();

/**
 * For any content of networking.json early boot succeeds, reports errors, and writes only lines that networkd and udev accept.
 * fixtures/hostile-networking/console.txt contains the expected console lines for each file of that folder.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { jqThatKnows } from "../../fixtures/networking-orders.js";
import { FakeInitramfs, shells } from "../../fixtures/proto-initramfs.js";
import { filesInTheCn } from "../scenarios/hostile-networking.js";

/** The scripts of early boot that read networking.json. */
const scripts = ["live-premount/triton-networking", "live-bottom/triton-networking"];

const test = suite("proto: hostile networking.json");
const folder = join(findProjectRoot(), "fixtures/hostile-networking");

/** The shell of Debian's initramfs; networking.test.ts runs in both shells. */
const shell = shells[0];

const names = (await readdir(folder)).filter((file) => file.endsWith(".json")).sort();
assert.ok(names.length >= 40, "the set is there");

/** File name → the expected console lines, from the sections "== NAME" of console.txt. */
const said = new Map(
  (await readFile(join(folder, "console.txt"), "utf8"))
    .split(/^== /m)
    .slice(1)
    .map((part) => [part.slice(0, part.indexOf("\n")), part.slice(part.indexOf("\n") + 1)] as const),
);

const ipv4 = String.raw`\d{1,3}(\.\d{1,3}){3}`;
const macAddress = "[0-9a-f]{2}(:[0-9a-f]{2}){5}";
const linkName = "[A-Za-z_][A-Za-z0-9_-]{0,14}";
const mtu = "(1[5-9]|[2-8][0-9])[0-9]{2}|9000";

/** Every line that a file may contain, by its section. */
const grammar: Readonly<Record<string, readonly string[]>> = {
  Match: [`PermanentMACAddress=${macAddress}`, `Name=${linkName}`, `OriginalName=${linkName}`],
  Link: [`Name=${linkName}`, "Alias=[A-Za-z0-9_./:,?-]{1,255}", `MTUBytes=(${mtu})`, "RequiredForOnline=no"],
  NetDev: [`Name=${linkName}`, "Kind=(bond|vlan|macvlan)", `MACAddress=${macAddress}`],
  Bond: [
    "Mode=(802.3ad|balance-xor)",
    String.raw`TransmitHashPolicy=layer2\+3`,
    "MIIMonitorSec=100ms",
    "LACPTransmitRate=fast",
  ],
  VLAN: ["Id=[1-9][0-9]{0,3}"],
  MACVLAN: ["Mode=bridge"],
  Network: [
    `Address=${ipv4}/[0-9]{1,2}`,
    `DNS=${ipv4}`,
    "Domains=[A-Za-z0-9][A-Za-z0-9.-]*",
    `(Bond|VLAN|MACVLAN)=${linkName}`,
    "(LinkLocalAddressing|IPv6AcceptRA|LLMNR)=no",
    "KeepConfiguration=static",
  ],
  Route: [`Gateway=${ipv4}`, `Destination=${ipv4}/[0-9]{1,2}`, "Metric=[0-9]{3}", "Scope=link"],
};

/** The lines of a file that the grammar does not allow. */
function strangeLines(text: string): readonly string[] {
  let section: readonly string[] = [];
  return text
    .trimEnd()
    .split("\n")
    .filter((line) => {
      const heading = /^\[(\w+)\]$/.exec(line)?.[1];
      if (heading !== undefined) section = grammar[heading] ?? [];
      const isKnown =
        heading === undefined ? section.some((one) => new RegExp(`^(${one})$`).test(line)) : section.length > 0;
      return !isKnown && line !== "";
    });
}

/** Sections and keys of a file, e.g. "Network Address". */
function kindsOfLines(text: string): readonly string[] {
  const sections = text.split(/^\[(\w+)\]$/m).slice(1);
  return sections.flatMap((section, index) =>
    index % 2 === 1 ? [] : [...(sections[index + 1] ?? "").matchAll(/^(\w+)=/gm)].map(([, key]) => `${section} ${key}`),
  );
}
/** File name → the kinds of lines that early boot wrote for it. */
const kinds = new Map<string, readonly string[]>();

let answers: TempDir;
let jq: string;
test.before(async () => {
  answers = await TempDir.create("networking-orders");
  const documents = await Promise.all(names.map((name) => readFile(join(folder, name))));
  jq = await jqThatKnows(answers.path, documents, "52:54:00:aa:00:01");
});
test.after(() => answers[Symbol.asyncDispose]());

for (const name of names) {
  test(`early boot survives ${name}, reports what console.txt lists, and writes only lines of the grammar`, async () => {
    const json = await readFile(join(folder, name));
    await using initramfs = await FakeInitramfs.create({
      shell,
      programs: { jq },
      env: { BOOTIF: "01-52-54-00-AA-00-01" },
      files: {
        "sys/class/net/admin0/address": "",
        "etc/triton-networking.json": json,
        "etc/triton-networking.json.hash": createHash("sha1").update(json).digest("hex"),
      },
    });
    await initramfs.run(...scripts);

    assert.is(`${(await initramfs.console()).join("\n")}\n`, said.get(name));
    const written = await readdir(initramfs.path("run/systemd/network")).catch(() => []);
    for (const file of written) {
      assert.match(file, new RegExp(`^50-${linkName}[.](link|netdev|network)$`));
      const text = await initramfs.read(`run/systemd/network/${file}`);
      assert.equal(strangeLines(text), [], file);
      kinds.set(name, [...(kinds.get(name) ?? []), ...kindsOfLines(text)]);
    }
    for (const file of written.filter((each) => !each.endsWith(".netdev"))) {
      const matches = (await initramfs.read(`run/systemd/network/${file}`)).match(/^\[Match\]\n\w+=.+\n\n/);
      assert.ok(matches, `${file} has exactly one match, so it does not match all links`);
    }
  });
}

test("the files with which the scenario hostile-networking runs have every kind of line", () => {
  const sorted = (...lines: readonly string[]) => [...new Set(lines)].sort();
  assert.equal(sorted(...filesInTheCn.flatMap((name) => kinds.get(name) ?? [])), sorted(...[...kinds.values()].flat()));
});

test.run();

/** The image's reading of node.config, whose time and name servers become drop-ins for timesyncd and resolved. */
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { nodeConfigLines, nodeConfigServers } from "../../fixtures/node-config-cases.js";
import { FakeInitramfs, type Shell, shells } from "../../fixtures/proto-initramfs.js";

const test = suite("proto: node.config");

interface Outcome {
  readonly time: string;
  readonly names: string;
  readonly console: readonly string[];
}

async function outcome(shell: Shell, files: Record<string, string>): Promise<Outcome> {
  await using initramfs = await FakeInitramfs.create({ shell, files });
  await initramfs.run("live-bottom/triton-node-config");
  return {
    time: await initramfs.folder("run/systemd/timesyncd.conf.d"),
    names: await initramfs.folder("run/systemd/resolved.conf.d"),
    console: await initramfs.console(),
  };
}

const time = (servers: string): string => `== triton.conf\n[Time]\nNTP=${servers}\n`;
const names = (...lines: string[]): string => `== triton.conf\n[Resolve]\n${lines.join("\n")}\n`;

/** A script that calls node_config_value for each file and key, and prints file, key, status and value, separated by tabs. */
const askAll = (questions: readonly (readonly [file: string, key: string])[]): string =>
  [
    '. "$TRITON_SYSROOT/usr/triton/lib/early-boot/node-config.sh"',
    ...questions.map(
      ([file, key]) =>
        `node_config_value "$TRITON_SYSROOT/${file}" '${key}'; printf '%s\\t%s\\t%s\\t%s\\n' '${file}' '${key}' "$?" "$value"`,
    ),
  ].join("\n");

test("sysinfo reads the values of node.config that fixtures/node-config lists", async () => {
  const program = join(findProjectRoot(), "proto/usr/triton/lib/sysinfo/node-config.mjs");
  const { nodeConfig } = (await import(program)) as { nodeConfig: (text: string) => Record<string, string> };
  for (const { title, text, values } of nodeConfigLines) assert.equal(nodeConfig(text), values, title);
});

for (const shell of shells) {
  const name = shell.join(" ");

  test(`${name}: early boot reads the values of node.config that fixtures/node-config lists`, async () => {
    const files = Object.fromEntries(nodeConfigLines.map(({ text }, index) => [`case${index}`, text]));
    const expected = nodeConfigLines.flatMap(({ values, unreadable }, index) => {
      const keys = new Set([...Object.keys(values), ...unreadable.flatMap(({ key }) => key ?? []), "absent"]);
      return [...keys].map((key) => {
        const value = values[key];
        const status = value === undefined && key !== "absent" ? 2 : value ? 0 : 1;
        return [`case${index}`, key, String(status), value ?? ""];
      });
    });
    await using initramfs = await FakeInitramfs.create({ shell, files });
    const said = await initramfs.runInLiveBoot(askAll(expected.map(([file = "", key = ""]) => [file, key])));
    assert.equal(said, expected.map((fields) => `${fields.join("\t")}\n`).join(""));
  });

  test(`${name}: each malformed line of node.config except root_shadow is reported on the console`, async () => {
    for (const { title, text, unreadable } of nodeConfigLines) {
      const { console } = await outcome(shell, { "etc/node.config": text });
      const reported = console.flatMap((line) => {
        const [, number, key = null] = /^triton: error: line (\d+) of node\.config (?:\((\w+)\) )?/.exec(line) ?? [];
        return number === undefined ? [] : [{ line: Number(number), key }];
      });
      assert.equal(reported, unreadable, title);
    }
    const { console } = await outcome(shell, { "etc/node.config": `root_shadow='a\n${"<html>\n".repeat(12)}` });
    assert.is(console.length, 11);
    assert.match(
      console[0] ?? "",
      /line 2 of node\.config does not begin with KEY=, so it is not used; correct it in /,
    );
    const long = await outcome(shell, { "etc/node.config": `swap='${"x".repeat(2000)}'\n` });
    assert.match(
      long.console[0] ?? "",
      /line 1 of node\.config \(swap\) is longer than 1024 bytes, so it is not used; /,
    );
    assert.match(console[10] ?? "", "triton: error: 2 more lines of node.config are not used; ");
  });

  test(`${name}: servers and domains give the drop-ins of fixtures/node-config, and each unusable word is reported`, async () => {
    for (const { title, text, ntp, resolve, unusable } of nodeConfigServers) {
      const said = await outcome(shell, { "etc/node.config": text });
      assert.is(said.time, ntp === "" ? "" : time(ntp), title);
      assert.is(said.names, resolve.length === 0 ? "" : names(...resolve), title);
      const reported = said.console.flatMap((line) => {
        const [, key, word] = /^triton: error: (\w+) in node\.config .*?'(.*?)'/.exec(line) ?? [];
        return key === undefined ? [] : [{ key, word }];
      });
      assert.equal(reported, unusable, title);
    }
  });

  test(`${name}: commas, spaces or both separate time servers`, async () => {
    for (const hosts of ["10.0.0.1,ntp.example.com", "10.0.0.1 ntp.example.com", " 10.0.0.1,  ntp.example.com,"]) {
      assert.equal(await outcome(shell, { "etc/node.config": `ntp_hosts='${hosts}'\n` }), {
        time: time("10.0.0.1 ntp.example.com"),
        names: "",
        console: ["triton: time from 10.0.0.1 ntp.example.com"],
      });
    }
  });

  test(`${name}: resolvers are written as a fallback, and the domain only if networking.json has none`, async () => {
    const nodeConfig = "datacenter_name='lab'\ndns_domain='example.com'\ndns_resolvers='10.0.0.11,fd00::11'\n";
    const alone = await outcome(shell, { "etc/node.config": nodeConfig });
    assert.is(alone.names, names("FallbackDNS=10.0.0.11 fd00::11", "Domains=lab.example.com example.com"));

    const both = await outcome(shell, { "etc/node.config": nodeConfig, "run/triton/domain": "other.example\n" });
    assert.is(both.names, names("FallbackDNS=10.0.0.11 fd00::11"));
  });

  test(`${name}: without node.config, or without servers in it, nothing is written`, async () => {
    for (const files of [{}, { "etc/node.config": "ntp_hosts=''\nswap='0.25x'\n" }, { "etc/node.config": "" }]) {
      assert.equal(await outcome(shell, files), { time: "", names: "", console: [] });
    }
  });

  test(`${name}: a word that is not a server is reported, and is neither executed nor expanded as a pattern`, async () => {
    const { time: written, console } = await outcome(shell, {
      "etc/node.config": "ntp_hosts='* $(touch evil) 10.0.0.1 -o'\n",
    });
    assert.is(written, time("10.0.0.1"));
    assert.equal(
      console.map((line) => /contains '(.*)', which/.exec(line)?.[1] ?? line),
      ["*", "$(touch", "evil)", "-o", "triton: time from 10.0.0.1"],
    );
  });
}

test.run();

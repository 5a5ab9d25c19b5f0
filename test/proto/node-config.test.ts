/** node.config's servers of time and names become drop-ins for timesyncd and resolved. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
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

for (const shell of shells) {
  const name = shell.join(" ");

  test(`${name}: time servers may be kept apart by commas, spaces or both`, async () => {
    for (const hosts of ["10.0.0.1,ntp.example.com", "10.0.0.1 ntp.example.com", " 10.0.0.1,  ntp.example.com,"]) {
      assert.equal(await outcome(shell, { "etc/node.config": `ntp_hosts='${hosts}'\n` }), {
        time: time("10.0.0.1 ntp.example.com"),
        names: "",
        console: ["triton: time from 10.0.0.1 ntp.example.com"],
      });
    }
  });

  test(`${name}: resolvers and domain stand in for those that networking.json does not give`, async () => {
    const nodeConfig = "datacenter_name='lab'\ndns_domain='example.com'\ndns_resolvers='10.0.0.11,fd00::11'\n";
    const alone = await outcome(shell, { "etc/node.config": nodeConfig });
    assert.is(alone.names, names("FallbackDNS=10.0.0.11 fd00::11", "Domains=lab.example.com example.com"));

    const both = await outcome(shell, { "etc/node.config": nodeConfig, "run/triton/domain": "other.example\n" });
    assert.is(both.names, names("FallbackDNS=10.0.0.11 fd00::11"));
  });

  test(`${name}: without node.config, or with one that has no servers, nothing is written`, async () => {
    for (const files of [{}, { "etc/node.config": "ntp_hosts=''\nswap='0.25x'\n" }, { "etc/node.config": "" }]) {
      assert.equal(await outcome(shell, files), { time: "", names: "", console: [] });
    }
  });

  test(`${name}: a word that is no server is left out with an error, and is never run or taken for a pattern`, async () => {
    const { time: written, console } = await outcome(shell, {
      "etc/node.config": "ntp_hosts='* $(touch evil) 10.0.0.1 -o'\n",
    });
    assert.is(written, time("10.0.0.1"));
    assert.equal(
      console.map((line) => /has '(.*)' in it/.exec(line)?.[1] ?? line),
      ["*", "$(touch", "evil)", "-o", "triton: time from 10.0.0.1"],
    );
  });
}

test.run();

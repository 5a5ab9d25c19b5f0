/** The operator's units in /opt/custom/systemd and the agents' units: which are linked, and which are enabled. */
import { mkdir, readdir, readlink, symlink } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FakeInitramfs, type FakeInitramfsOptions, shells } from "../../fixtures/proto-initramfs.js";

const test = suite("proto: units");

const custom = "root/opt/custom/systemd";
const agents = "root/opt/smartdc/agents/lib/node_modules";
const wanted = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
const plain = "[Service]\nExecStart=/bin/true\n";

interface Outcome {
  /** Name in /run/systemd/system → target of its link in the new root. */
  readonly links: Readonly<Record<string, string>>;
  /** The units of each call of systemctl enable. */
  readonly enabled: readonly string[];
  readonly console: readonly string[];
}

/** @param arrange prepares the initramfs before the script runs. @default no change */
async function outcome(
  options: FakeInitramfsOptions,
  arrange: (path: (inside: string) => string) => Promise<void> = async () => {},
): Promise<Outcome> {
  await using initramfs = await FakeInitramfs.create(options);
  await mkdir(initramfs.path("root/opt/custom/systemd"), { recursive: true });
  await arrange((inside) => initramfs.path(inside));
  await initramfs.run("live-bottom/triton-units");
  const folder = initramfs.path("run/systemd/system");
  const names = (await readdir(folder).catch(() => [])).sort();
  const links = await Promise.all(names.map(async (name) => [name, await readlink(`${folder}/${name}`)] as const));
  return {
    links: Object.fromEntries(links),
    enabled: [
      ...(await initramfs.read("commands")).matchAll(/^systemctl --root=\/ --runtime --quiet enable (.*)$/gm),
    ].map(([, units = ""]) => units),
    console: await initramfs.console(),
  };
}

for (const shell of shells) {
  const name = shell.join(" ");

  test(`${name}: units and their drop-in folders are linked, and those with [Install] are enabled`, async () => {
    const files = {
      [`${custom}/one.service`]: wanted,
      [`${custom}/two@.service`]: wanted,
      [`${custom}/three.timer`]: wanted,
      [`${custom}/four.service`]: plain,
      [`${custom}/ssh.service.d/limits.conf`]: "[Service]\nLimitNOFILE=9\n",
    };
    assert.equal(await outcome({ shell, files }), {
      links: {
        "four.service": "/opt/custom/systemd/four.service",
        "one.service": "/opt/custom/systemd/one.service",
        "ssh.service.d": "/opt/custom/systemd/ssh.service.d",
        "three.timer": "/opt/custom/systemd/three.timer",
        "two@.service": "/opt/custom/systemd/two@.service",
      },
      enabled: ["one.service three.timer two@.service"],
      console: ["triton: units enabled: one.service three.timer two@.service"],
    });
  });

  test(`${name}: a unit may be a link to a path of the booted system, and a link without a target is reported`, async () => {
    const files = { "root/opt/custom/pkg/far.service": wanted, [`${custom}/near.service`]: plain };
    const { links, enabled, console } = await outcome({ shell, files }, async (path) => {
      await symlink("/opt/custom/pkg/far.service", path(`${custom}/far.service`));
      await symlink("/opt/custom/pkg/lost.service", path(`${custom}/lost.service`));
    });
    assert.equal(Object.keys(links), ["far.service", "near.service"]);
    assert.equal(enabled, ["far.service"]);
    assert.equal(console, [
      "triton: error: unit /opt/custom/systemd/lost.service is a link to a file that does not exist; correct the link, or remove it",
      "triton: units enabled: far.service",
    ]);
  });

  test(`${name}: other files and folders, and their content, are ignored`, async () => {
    const files = {
      [`${custom}/README`]: "[Install]\n",
      [`${custom}/one.service~`]: wanted,
      [`${custom}/.service`]: wanted,
      [`${custom}/a b.service`]: wanted,
      [`${custom}/old/one.service`]: wanted,
      [`${custom}/conf.d/one.service`]: wanted,
      [`${custom}/real.service`]: plain,
    };
    assert.equal(await outcome({ shell, files }), {
      links: { "real.service": "/opt/custom/systemd/real.service" },
      enabled: [],
      console: [],
    });
  });

  test(`${name}: agents' services are enabled, but an operator's unit of the same name takes precedence`, async () => {
    const files = {
      [`${custom}/triton-cn-agent.service`]: plain,
      [`${agents}/cn-agent/systemd/triton-cn-agent.service`]: wanted,
      [`${agents}/net-agent/systemd/triton-net-agent.service`]: wanted,
      [`${agents}/net-agent/systemd/notes.txt`]: "",
    };
    assert.equal(await outcome({ shell, files }), {
      links: {
        "triton-cn-agent.service": "/opt/custom/systemd/triton-cn-agent.service",
        "triton-net-agent.service": "/opt/smartdc/agents/lib/node_modules/net-agent/systemd/triton-net-agent.service",
      },
      enabled: ["triton-net-agent.service"],
      console: ["triton: units enabled: triton-net-agent.service"],
    });
  });

  test(`${name}: without units nothing is linked, and systemctl does not run`, async () => {
    assert.equal(await outcome({ shell }), { links: {}, enabled: [], console: [] });
  });

  test(`${name}: a unit that cannot be enabled is reported, and the others are enabled`, async () => {
    const systemctl = `#!/bin/sh
echo "systemctl $*" >>"$TRITON_SYSROOT/commands"
case " $* " in *" bad.service "*) echo "Failed to enable unit: bad.service" >&2; exit 1 ;; esac
`;
    const files = { [`${custom}/bad.service`]: wanted, [`${custom}/good.service`]: wanted };
    const { enabled, console } = await outcome({ shell, files, programs: { systemctl } });
    assert.equal(enabled, ["bad.service good.service", "bad.service", "good.service"]);
    assert.equal(console, [
      "triton: error: unit bad.service cannot be enabled: Failed to enable unit: bad.service; " +
        "correct its [Install] section, and reboot",
      "triton: units enabled: good.service",
    ]);
  });
}

test.run();

/**
 * Invalid and malicious networking.json files. The CN boots with one of them. In the booted CN, the image's early boot then
 * runs on more of fixtures/hostile-networking, and systemd-networkd and udev read its output.
 * test/proto/hostile-networking.test.ts runs early boot on all of them, without a machine.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { findProjectRoot } from "../../base/project-root.js";
import { expectEqual, expectTrue } from "../../harness/boot/expect.js";
import { milestoneNames } from "../../harness/boot/milestones.js";
import { type BootedCn, type Claim, consoleSays, type Scenario } from "../../harness/scenarios/scenario.js";
import { awaitNoDisk, noUnitHasFailed } from "./every-cn.js";

const fixtures = join(findProjectRoot(), "fixtures");
const hostile = join(fixtures, "hostile-networking");
/** Files for which early boot writes every kind of line, with values that it barely accepts. */
export const filesInTheCn: readonly string[] = [
  "backslash-tags.json",
  "bad-names.json",
  "bad-netmasks.json",
  "bad-routes.json",
  "binary.json",
  "bonds-share-a-nic.json",
  "invalid-utf8.json",
  "long-strings.json",
  "many-members.json",
  "newline-injection.json",
  "odd-tags.json",
  "shell-words.json",
  "specifiers.json",
  "vlan-over-itself.json",
];
const mac = "52:54:00:aa:00:01";

/** Makes a folder that early boot uses as its initramfs. udev reads all files once, at the end. */
const prepare = `
mkdir -p /tmp/early/all && cd /tmp/early &&
mkdir -p bin dev etc proc usr/triton/lib && printf '#!/bin/sh\n' >bin/udevadm && chmod +x bin/udevadm &&
ln -s /usr/share/initramfs-tools/scripts scripts && ln -s /usr/triton/lib/early-boot usr/triton/lib/early-boot &&
cp /proc/uptime /proc/cmdline proc/ && printf 'ttyS1 -W- (EC) 4:65\n' >proc/consoles && : >dev/ttyS1
`;

/** Runs early boot on the file, and keeps its output with the name of the file as a prefix. */
const runOn = (name: string): string => `
cd /tmp/early && rm -rf run || exit 9
printf %s ${gzipSync(readFileSync(join(hostile, name))).toString("base64")} | base64 -d | gzip -dc >etc/triton-networking.json
PATH=/tmp/early/bin:$PATH TRITON_SYSROOT=/tmp/early BOOTIF=01-52-54-00-aa-00-01 sh scripts/live-premount/triton-networking || exit 8
for file in run/systemd/network/*; do
	[ ! -e "$file" ] || mv "$file" "all/${name}-\${file##*/}" || exit 7
done
`;

const survives = (name: string): Claim<BootedCn> => ({
  title: `early boot succeeds on ${name}`,
  verify: async ({ run }) => void (await run(runOn(name))),
});

/** Complaints of a parser (systemd src/shared/conf-parser.c), each with the file's name. */
const complaints = "unknown (key|section|lvalue)|invalid|failed to parse|missing '='|ignoring|truncated";
/** Messages about correct files: their names, and that two of them configure a device of the same name. */
const remarks = "^Parsed configuration file |: Device was already configured by ";

const isUnderstood: Claim<BootedCn> = {
  title: "networkd and udev accept every line of every file that early boot wrote",
  verify: async ({ run }) => {
    const count = Number(await run("ls /tmp/early/all | wc -l"));
    expectTrue("early boot wrote more than 20 files", count > 20, count);
    const said = await run(`
rm /run/systemd/network/* && cp /tmp/early/all/* /run/systemd/network/ &&
for kind in network link; do
	printf '[Match]\nOriginalName=no\n[Link]\nNonsense=x\n' >/run/systemd/network/99-no.$kind
done
networkctl reload && udevadm control --reload && sleep 3
udevadm test-builtin net_setup_link /sys/class/net/lo >/tmp/early/udev.log 2>&1
{ journalctl -u systemd-networkd -o cat --no-pager; cat /tmp/early/udev.log; } | grep '/run/systemd/network/' |
	grep -vE "${remarks}" | grep -iE "${complaints}" || true`);
    // Two deliberately invalid files prove that complaints are detected.
    const lines = said.split("\n");
    for (const file of ["99-no.network", "99-no.link"]) {
      expectTrue(`the invalid ${file} is reported`, said.includes(file), said);
    }
    expectEqual(
      "the list of other complaints",
      lines.filter((line) => !line.includes("/99-no.")),
      [],
    );
  },
};

export const hostileNetworking: Scenario = {
  name: "hostile-networking",
  summary: "With an invalid networking.json the CN boots to login, and reports what is wrong with the file.",
  boots: [
    {
      name: "boot",
      fixtures: {
        networkingPath: join(hostile, "newline-injection.json"),
        nodeConfigPath: join(fixtures, "node.config"),
        mac,
        append: [awaitNoDisk],
      },
      milestones: milestoneNames,
      claims: [
        consoleSays(
          "the console reports the invalid hostname",
          /^triton: error: hostname in networking\.json is not valid: cn7\?root/,
        ),
        consoleSays("the console reports the invalid gateway", /^triton: error: the gateway of vnic 52:54:00:aa:00:01/),
        consoleSays("the CN has its admin address", /^triton: network admin0 10\.77\.0\.41\/24/),
        noUnitHasFailed,
        {
          title: "early boot can be run again in a folder of its own",
          verify: async ({ run }) => void (await run(prepare)),
        },
        ...filesInTheCn.map(survives),
        isUnderstood,
      ],
    },
  ],
};

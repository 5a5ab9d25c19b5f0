/**
 * networking.json as nobody should write it. One boot with one such file; in the booted CN, the image's early boot then runs
 * on each of fixtures/hostile-networking, and systemd-networkd and udev read what it made.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { findProjectRoot } from "../../base/project-root.js";
import { expectEqual, expectTrue } from "../../harness/boot/expect.js";
import { milestoneNames } from "../../harness/boot/milestones.js";
import { type BootedCn, type Claim, consoleSays, type Scenario } from "../../harness/scenarios/scenario.js";
import { awaitNoDisk, noUnitHasFailed } from "./every-cn.js";

const fixtures = join(findProjectRoot(), "fixtures");
const hostile = join(fixtures, "hostile-networking");
const mac = "52:54:00:aa:00:01";

/** A folder that early boot takes for the initramfs. udev is asked once, for all, at the end. */
const prepare = `
mkdir -p /tmp/early/all && cd /tmp/early &&
mkdir -p bin dev etc proc usr/triton/lib && printf '#!/bin/sh\n' >bin/udevadm && chmod +x bin/udevadm &&
ln -s /usr/share/initramfs-tools/scripts scripts && ln -s /usr/triton/lib/early-boot usr/triton/lib/early-boot &&
cp /proc/uptime /proc/cmdline proc/ && printf 'ttyS1 -W- (EC) 4:65\n' >proc/consoles && : >dev/ttyS1
`;

/** Keeps what early boot writes for the file, with the file's name before each. */
const runOn = (name: string): string => `
cd /tmp/early && rm -rf run || exit 9
printf %s ${gzipSync(readFileSync(join(hostile, name))).toString("base64")} | base64 -d | gzip -dc >etc/triton-networking.json
PATH=/tmp/early/bin:$PATH TRITON_SYSROOT=/tmp/early BOOTIF=01-52-54-00-aa-00-01 sh scripts/live-premount/triton-networking || exit 8
for file in run/systemd/network/*; do
	[ ! -e "$file" ] || mv "$file" "all/${name}-\${file##*/}" || exit 7
done
`;

const survives = (name: string): Claim<BootedCn> => ({
  title: `early boot ends well on ${name}`,
  verify: async ({ run }) => void (await run(runOn(name))),
});

/** Complaints of a parser (systemd src/shared/conf-parser.c), each with the file's name. */
const complaints = "unknown (key|section|lvalue)|invalid|failed to parse|missing '='|ignoring|truncated";
/** What is said of files in which nothing is wrong: their names, and that two of them make a device of one name. */
const remarks = "^Parsed configuration file |: Device was already configured by ";

const isUnderstood: Claim<BootedCn> = {
  title: "networkd and udev understand every line of every file that early boot wrote for them",
  verify: async ({ run }) => {
    const count = Number(await run("ls /tmp/early/all | wc -l"));
    expectTrue("there are files", count > 100, count);
    const said = await run(`
rm /run/systemd/network/* && cp /tmp/early/all/* /run/systemd/network/ &&
for kind in network link; do
	printf '[Match]\nOriginalName=no\n[Link]\nNonsense=x\n' >/run/systemd/network/99-no.$kind
done
networkctl reload && udevadm control --reload && sleep 3
udevadm test-builtin net_setup_link /sys/class/net/lo >/tmp/early/udev.log 2>&1
{ journalctl -u systemd-networkd -o cat --no-pager; cat /tmp/early/udev.log; } | grep '/run/systemd/network/' |
	grep -vE "${remarks}" | grep -iE "${complaints}" || true`);
    // Files of ours that nobody understands show that a complaint would be seen.
    const lines = said.split("\n");
    for (const file of ["99-no.network", "99-no.link"]) {
      expectTrue(`${file} is complained of`, said.includes(file), said);
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
  summary: "Whatever networking.json holds, the CN boots to login and says what is wrong with it.",
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
          "it says which hostname it does not take",
          /^triton: error: hostname in networking\.json is not valid: cn7\?root/,
        ),
        consoleSays("it says which gateway it does not take", /^triton: error: the gateway of vnic 52:54:00:aa:00:01/),
        consoleSays("it has the admin address all the same", /^triton: network admin0 10\.77\.0\.41\/24/),
        noUnitHasFailed,
        {
          title: "early boot can be run again in a folder of its own",
          verify: async ({ run }) => void (await run(prepare)),
        },
        ...readdirSync(hostile)
          .filter((file) => file.endsWith(".json"))
          .sort()
          .map(survives),
        isUnderstood,
      ],
    },
  ],
};

/**
 * networking.json as nobody should write it. One boot with one such file; in the booted CN, the image's early boot then runs
 * on each of fixtures/hostile-networking, and systemd-networkd and udev read what it made.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { milestoneNames } from "../../harness/milestones.js";
import { type BootedCn, type Claim, consoleSays, expectEqual, type Scenario } from "../../harness/scenario.js";
import { findProjectRoot } from "../../vm/project-root.js";
import { noUnitFailed } from "./network-claims.js";

const fixtures = join(findProjectRoot(), "fixtures");
const hostile = join(fixtures, "hostile-networking");
const mac = "52:54:00:aa:00:01";

/** A folder that early boot takes for the initramfs, and a function that runs it there on a file. */
const prepare = `
mkdir -p /tmp/early && cd /tmp/early &&
mkdir -p dev etc proc sys/class/net usr/triton/lib root/etc &&
ln -sfn /usr/share/initramfs-tools/scripts scripts &&
ln -sfn /usr/triton/lib/early-boot usr/triton/lib/early-boot &&
cp /proc/uptime /proc/cmdline proc/ && printf 'ttyS1 -W- (EC) 4:65\\n' >proc/consoles && : >dev/ttyS1
`;

const runOn = (file: Buffer): string => `
cd /tmp/early || exit 9
rm -rf run && : >dev/ttyS1
printf %s ${gzipSync(file).toString("base64")} | base64 -d | gzip -dc >etc/triton-networking.json
sha1sum <etc/triton-networking.json | cut -c 1-40 | tr -d '\\n' >etc/triton-networking.json.hash
export TRITON_SYSROOT=/tmp/early rootmnt=/tmp/early/root BOOTIF=01-52-54-00-aa-00-01
sh scripts/live-premount/triton-networking || exit 8
sh scripts/live-bottom/triton-networking || exit 7
rm -f /run/systemd/network/*
cp run/systemd/network/* /run/systemd/network/ 2>/dev/null
now=$(date +%s)
networkctl reload || exit 6
udevadm control --reload && udevadm test-builtin net_setup_link /sys/class/net/lo 2>udev.log
sleep 1
{ journalctl -u systemd-networkd --since "@$now" -o cat --no-pager; cat udev.log; } |
	grep -iE '/run/systemd/network|unknown|invalid|failed to parse|ignoring' || true
`;

const survives = (name: string): Claim<BootedCn> => ({
  title: `early boot ends well on ${name}, and what it wrote is as networkd and udev would have it`,
  verify: async ({ run }) => {
    expectEqual("networkd's and udev's complaints", await run(runOn(readFileSync(join(hostile, name)))), "");
  },
});

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
      },
      milestones: milestoneNames,
      claims: [
        consoleSays(
          "it says which hostname it does not take",
          /^triton: error: hostname in networking\.json is not valid: cn7\?root/,
        ),
        consoleSays("it says which gateway it does not take", /^triton: error: the gateway of vnic 52:54:00:aa:00:01/),
        consoleSays("it has the admin address all the same", /^triton: network admin0 10\.77\.0\.41\/24/),
        noUnitFailed,
        {
          title: "early boot can be run again in a folder of its own",
          verify: async ({ run }) => void (await run(prepare)),
        },
        ...readdirSync(hostile).sort().map(survives),
      ],
    },
  ],
};

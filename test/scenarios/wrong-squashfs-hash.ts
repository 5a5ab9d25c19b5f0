/** A root whose digest is wrong: the CN must never mount it, and must report why. */
import { join } from "node:path";
import { findProjectRoot } from "../../base/project-root.js";
import { expectTrue } from "../../harness/boot/expect.js";
import { milestoneNames } from "../../harness/boot/milestones.js";
import { consoleNeverSays, consoleSays, type Scenario } from "../../harness/scenarios/scenario.js";

const fixtures = join(findProjectRoot(), "fixtures");
/** SHA-1 of empty input. */
const otherDigest = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

export const wrongSquashfsHash: Scenario = {
  name: "wrong-squashfs-hash",
  summary: "A root without the delivered digest stops the boot: the CN runs nothing of it, and opens no shell.",
  boots: [
    {
      name: "refused",
      refusal: "wrong-squashfs",
      fixtures: {
        networkingPath: join(fixtures, "networking.json"),
        nodeConfigPath: join(fixtures, "node.config"),
        altered: { "filesystem.squashfs.hash": `${otherDigest}\n` },
      },
      milestones: milestoneNames.slice(0, milestoneNames.indexOf("verified")),
      claims: [
        consoleSays(
          "the console names the expected digest, the actual one, and what to do",
          new RegExp(
            `^triton: error: filesystem\\.squashfs .* expected sha1 ${otherDigest}, got [0-9a-f]{40}; .*; reinstall the platform`,
          ),
        ),
        consoleNeverSays("no line says that the root was verified", /^triton: verified/),
        consoleNeverSays("nothing of the new root runs", /^triton: hostid|systemd\[1\]/),
        {
          title: "the console shows neither a login prompt nor a shell",
          verify: async ({ recorder }) => {
            const shells = recorder.fatalSigns.filter(({ reason }) => reason !== "wrong-squashfs");
            expectTrue("the boot ended with the refusal alone", !recorder.has("login") && shells.length === 0, shells);
          },
        },
      ],
    },
  ],
};

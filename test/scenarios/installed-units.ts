/** Units below /opt on a node with a pool, and their state on the next boot. */

import { expectEqual } from "../../harness/boot/expect.js";
import type { Claim } from "../../harness/scenarios/scenario.js";

const custom = "/opt/custom/systemd";
const agent = "/opt/smartdc/agents/lib/node_modules/livelab-agent";

/** A unit whose command writes to a file in /run. */
const unit = (command: string, ...more: string[]): string =>
  ["[Service]", "Type=oneshot", "RemainAfterExit=yes", `ExecStart=/bin/sh -c '${command}'`, ...more, ""].join("\\n");
const install = ["[Install]", "WantedBy=multi-user.target"];
const write = (text: string, file: string): string => `printf "${text}" >${file}`;

export const installUnits: Claim = {
  title: "units of an operator and of an agent can be written below /opt",
  verify: async ({ run }) => {
    for (const command of [
      `mkdir -p ${custom}/livelab-custom.service.d ${agent}/systemd`,
      write(unit("echo custom >/run/livelab-custom", ...install), `${custom}/livelab-custom.service`),
      write(
        "[Service]\\nExecStart=/bin/sh -c 'echo more >/run/livelab-drop-in'\\n",
        `${custom}/livelab-custom.service.d/more.conf`,
      ),
      write(unit("echo idle >/run/livelab-idle"), `${custom}/livelab-idle.service`),
      write(
        // The agents read their environment from this file.
        unit(
          "echo \\$TRITON_AGENT_DIR >/run/livelab-agent",
          "EnvironmentFile=/usr/triton/config/systemd.env",
          ...install,
        ),
        `${agent}/systemd/livelab-agent.service`,
      ),
      `echo '{ "name": "livelab-agent", "version": "1.2.3" }' >${agent}/package.json`,
    ]) {
      await run(command);
    }
  },
};

export const installedUnits: readonly Claim[] = [
  {
    title:
      "units in /opt/custom/systemd and the agents' units start on this boot as their [Install] says, with their drop-ins",
    verify: async ({ run }) => {
      await run("systemctl is-system-running --wait || true");
      const left = await run(
        "cd /run && cat livelab-custom livelab-drop-in livelab-agent; ls livelab-idle 2>&1 || true",
      );
      expectEqual("their files in /run", left.split("\n").slice(0, 3), ["custom", "more", "/opt/smartdc/agents"]);
      const states = "livelab-custom.service livelab-agent.service livelab-idle.service";
      expectEqual("their states", await run(`systemctl is-active ${states} || true`), "active\nactive\ninactive");
    },
  },
  {
    title: "sysinfo reports that the server is set up, its pool and its agents",
    verify: async ({ run }) => {
      const facts = JSON.parse(await run("sysinfo")) as Record<string, unknown>;
      const expected = {
        Setup: true,
        Zpool: "zones",
        "Zpool Disks": "vda",
        Profile: "striped",
        "SDC Agents": [{ name: "livelab-agent", version: "1.2.3" }],
      };
      const said = Object.fromEntries(Object.keys(expected).map((key) => [key, facts[key]]));
      expectEqual("sysinfo's facts", said, expected);
      const created = await run("zfs get -H -p -o value creation zones");
      expectEqual("the pool's age", facts["Zpool Creation"], Number(created));
      // zvols belong to the pool and are not disks of the machine.
      expectEqual("the list of disks", Object.keys(facts["Disks"] as object), ["vda"]);
    },
  },
];

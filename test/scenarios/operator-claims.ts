/**
 * Features that operators and Triton's software expect on every compute node, with any pool and network:
 * commands, environment, services, and no exposed secrets.
 */

import { expectEqual, expectTrue } from "../../harness/boot/expect.js";
import type { Claim } from "../../harness/scenarios/scenario.js";

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/triton/bin:/usr/node/bin";

/** The commands of joysetup.sh and agentsetup.sh, including bash, and commands that operators of SmartOS expect. */
const commands = [
  ...["bash", "curl", "tee", "xargs", "find", "cpio", "tar", "getconf", "awk", "dig", "ntpdate", "ntpdig", "uuid"],
  ...[
    "rsync",
    "systemctl",
    "/usr/sbin/zpool",
    "/usr/sbin/zfs",
    "/usr/node/bin/node",
    "/usr/bin/json",
    "/usr/bin/sysinfo",
    "/usr/bin/disklayout",
    "/usr/bin/mkzpool",
  ],
  ...["/usr/bin/zonename", "/usr/bin/bunyan", "json", "bunyan", "sysinfo", "zonename"],
];

export const operatorClaims: readonly Claim[] = [
  {
    title: "the CN has every command that server setup runs, except those of Triton's agents",
    verify: async ({ run }) => {
      const missing = await run(`for c in ${commands.join(" ")}; do command -v $c >/dev/null || echo $c; done`);
      expectEqual("the list of missing commands", missing, "");
      expectEqual("`zonename`", await run("zonename"), "global");
      expectEqual("`json`", await run(`echo '{"a":{"b":7}}' | json a.b`), "7");
    },
  },
  {
    title: "login shells, commands over SSH and services have Triton's commands on their PATH",
    verify: async ({ run }) => {
      expectEqual("PATH of a login shell", await run(`env -i HOME=/root bash -lc 'echo "$PATH"'`), path);
      expectEqual("PATH of a service", await run(`systemd-run --quiet --wait --pipe sh -c 'echo "$PATH"'`), path);
      const key = "/run/livelab-key";
      await run(
        `mkdir -p -m 700 /root/.ssh && ssh-keygen -q -t ed25519 -N '' -f ${key} && cat ${key}.pub >>/root/.ssh/authorized_keys`,
      );
      const options = `-i ${key} -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR`;
      const over = await run(
        `ssh ${options} root@127.0.0.1 'echo "$PATH"' </dev/null; rm -r ${key} ${key}.pub /root/.ssh`,
      );
      expectEqual("PATH over SSH", over, path);
    },
  },
  {
    title: "sshd requires the unit that makes its host keys, and offers the keys of the configuration folder",
    verify: async ({ run }) => {
      const show = async (property: string) => (await run(`systemctl show -P ${property} ssh.service`)).split(" ");
      for (const property of ["Requires", "After"]) {
        const units = await show(property);
        expectTrue(`${property}= names the unit`, units.includes("triton-ssh-hostkey.service"), units);
      }
      const fingerprints = "sed 's/.* \\(ssh-[^ ]*\\|ecdsa[^ ]*\\) /\\1 /; s/ *$//' | sort";
      const kept = await run(`cat /usr/triton/config/ssh/*.pub | ${fingerprints}`);
      expectEqual("the list of offered keys", await run(`ssh-keyscan 127.0.0.1 2>/dev/null | ${fingerprints}`), kept);
      expectEqual("the number of keys", kept.split("\n").length, 2);
    },
  },
  {
    title: "the links of the image's units are below /usr, and the folders for datasets are empty",
    verify: async ({ run }) => {
      const folders = ["/etc/systemd/network", "/etc/sysusers.d", "/home", "/opt"];
      expectEqual(
        "their content",
        await run(`find ${folders.join(" ")} -xdev -mindepth 1; find /etc/systemd/system -mindepth 1`),
        "",
      );
      for (const unit of ["ssh", "systemd-networkd", "systemd-resolved", "systemd-timesyncd", "serial-getty@ttyS1"]) {
        expectEqual(`whether ${unit} runs`, await run(`systemctl is-active ${unit}`), "active");
      }
    },
  },
  {
    title:
      "systemd does not treat the boot as a first boot: it applies no presets, and the machine-id is the system UUID",
    verify: async ({ run, plan }) => {
      expectEqual("the machine-id", await run("cat /etc/machine-id"), plan.uuid.replaceAll("-", ""));
      // systemd's mark of a first boot, and its message about presets (src/core/main.c).
      expectEqual("the mark of a first boot", await run("ls /run/systemd/first-boot 2>/dev/null || true"), "");
      const populated = await run("journalctl --boot --quiet --no-pager --grep 'preset unit settings' || true");
      expectEqual("the journal's lines about presets", populated, "");
    },
  },
  {
    title: "ntp_hosts of node.config are the time servers, and its dns_resolvers the fallback resolvers",
    verify: async ({ run, plan }) => {
      const list = (key: string): string => (plan.nodeConfig?.values.get(key) ?? "").replaceAll(",", " ");
      expectEqual(
        "the list of time servers",
        await run("timedatectl show-timesync --value -p SystemNTPServers"),
        list("ntp_hosts"),
      );
      const fallback = await run("resolvectl status | sed -n 's/^ *Fallback DNS Servers:* *//p'");
      expectEqual("the list of fallback resolvers", fallback, list("dns_resolvers"));
    },
  },
  {
    title: "root's password hash is only in /etc/shadow and the configuration folder",
    verify: async ({ run, plan }) => {
      // The guest reads the hash, so that it is on no command line.
      const found = await run(
        'hash=$(getent shadow root | cut -d: -f2); find / -xdev -type f -size -4096k ! -path "/usr/lib/*" ! -path "/usr/share/*" ' +
          '-exec grep -lF -e "$hash" {} +; find /run /dev/shm /tmp -xdev -type f -exec grep -lF -e "$hash" {} +; ' +
          'if journalctl --no-pager -o export | grep -qF -e "$hash"; then echo journal; fi; ' +
          'if dmesg | grep -qF -e "$hash"; then echo dmesg; fi',
      );
      expectTrue("root has a hash", plan.nodeConfig?.rootShadow !== undefined, plan.nodeConfig?.path);
      expectEqual("the list of files", found.split("\n").sort(), ["/etc/shadow", "/usr/triton/config/node.config"]);
      expectEqual("their modes", await run("stat -c %a /etc/shadow /usr/triton/config/node.config"), "640\n600");
    },
  },
  {
    title: "the locale works, /etc/motd and /etc/product name the stamp, and Vim does not capture the mouse",
    verify: async ({ run, plan }) => {
      expectEqual("the warnings of `locale`", await run("bash -lc 'locale' 2>&1 >/dev/null"), "");
      expectEqual("the locale of a login", await run("bash -lc 'locale charmap'"), "UTF-8");
      for (const file of ["/etc/motd", "/etc/product"]) {
        const text = await run(`cat ${file}`);
        expectTrue(`${file} names the stamp`, text.includes(plan.image.stamp), text);
      }
      const mouse =
        "vim --not-a-term -c 'redir! >/run/livelab-vim' -c 'silent set mouse?' -c 'redir END' -c 'qa!' </dev/null >/dev/null 2>&1";
      expectEqual("Vim's mouse", (await run(`${mouse}; cat /run/livelab-vim; rm /run/livelab-vim`)).trim(), "mouse=");
    },
  },
  {
    title: "dpkg's state is outside /var, so that a dataset on /var does not hide it",
    verify: async ({ run }) => {
      expectEqual(
        "the folders of dpkg and apt",
        await run("realpath /var/lib/dpkg /var/lib/apt"),
        "/.var/lib/dpkg\n/.var/lib/apt",
      );
      expectEqual("the state of bash", await run("dpkg -s bash | grep ^Status"), "Status: install ok installed");
    },
  },
  {
    title: "sysinfo reports correct facts, under the names that Triton reads",
    verify: async ({ run, plan }) => {
      const facts = JSON.parse(await run("sysinfo")) as Record<string, unknown>;
      const vnic = plan.networking?.adminVnic;
      const bytes = plan.uuid.replaceAll("-", "").match(/../g) ?? [];
      // Triton's spelling has the bytes of the first three fields in the memory order of a little-endian machine.
      const [a, b, c] = [bytes.slice(0, 4), bytes.slice(4, 6), bytes.slice(6, 8)].map((field) =>
        field.reverse().join(""),
      );
      const uuid = [a, b, c, ...plan.uuid.split("-").slice(3)].join("-");
      const expected: Record<string, unknown> = {
        UUID: uuid,
        Setup: false,
        Hostname: plan.networking?.hostname,
        "Live Image": plan.image.stamp,
        "System Type": "Linux",
        "SDC Version": "7.0",
        "Datacenter Name": plan.nodeConfig?.values.get("datacenter_name"),
        "DNS Domain": plan.networking?.dnsDomain,
        "Admin NIC Tag": "admin",
        "Admin IP": vnic?.ip,
        "CPU Total Cores": plan.cpus,
        "VM Capable": false,
        "Bhyve Capable": false,
        "HVM API": false,
        Manufacturer: "QEMU",
        Disks: {},
        "Virtual Network Interfaces": {},
        "Link Aggregations": {},
        "SDC Agents": [],
      };
      expectEqual(
        "sysinfo's facts",
        Object.fromEntries(Object.keys(expected).map((key) => [key, facts[key]])),
        expected,
      );

      const nics = facts["Network Interfaces"] as Readonly<Record<string, unknown>>;
      expectEqual("the list of NICs", Object.values(nics), [
        { "MAC Address": plan.mac, ip4addr: vnic?.ip, "Link Status": "up", "NIC Names": ["admin"] },
      ]);
      const parameters = facts["Boot Params"] as Readonly<Record<string, string>>;
      const { hostname, admin_nic, admin_ip, admin_netmask, admin_mac } = parameters;
      expectEqual(
        "the kernel's arguments in sysinfo",
        [hostname, admin_nic, admin_ip, admin_netmask, admin_mac],
        [plan.networking?.hostname, plan.mac, vnic?.ip, vnic?.netmask, plan.mac.replaceAll(":", "-")],
      );
      const memory = Number(facts["MiB of Memory"]);
      expectTrue(
        "the memory is that of the machine, minus the kernel's share",
        memory > 0.8 * plan.memoryMib && memory <= plan.memoryMib,
        memory,
      );
      const uptime = Date.now() / 1000 - Number(facts["Boot Time"]);
      expectTrue("the boot was in the last hour", uptime > 0 && uptime < 3600, facts["Boot Time"]);
    },
  },
];

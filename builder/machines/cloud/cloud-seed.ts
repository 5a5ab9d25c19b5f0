/**
 * The configuration of a cloud image: the files of a NoCloud seed. With them cloud-init grows the root and starts channel/serve-ssh.sh
 * on the virtio-serial port. The functions here are pure; cloud-machine.ts puts the files on a disk.
 * It works with cloud-init 20.2 (Debian 10) to 22.4 (Debian 12), without a network.
 * Sources: docs.cloud-init.io "NoCloud", "Cloud config modules"; cloudinit/cmd/main.py main_init for "dsmode: local".
 */
import { SSHD_CONFIG } from "../../channel/sshd-config.js";

/** The volume label by which cloud-init finds the seed. */
export const SEED_LABEL = "CIDATA";

export interface CloudSeed {
  /** The text of channel/serve-ssh.sh. */
  readonly serveScript: string;
  /** The host key of this machine, PEM. */
  readonly hostKey: string;
  /** The public key that may log in as root, an authorized_keys line. */
  readonly authorizedKey: string;
}

/** All files are on tmpfs, because the configuration is valid for one boot only. */
const UNIT = `[Unit]
Description=SSH for livelab on a virtio-serial port
[Service]
ExecStartPre=/bin/mkdir -p /run/sshd
ExecStart=/bin/sh /run/livelab/serve-ssh.sh /run/livelab/sshd_config
`;

/**
 * Units that would start later and are not needed: cloud-init's later stages, their wait of 2 min for a network, the image's
 * own sshd, and apt's timers.
 */
const NOT_WANTED = [
  ...["cloud-init.service", "cloud-config.service", "cloud-final.service", "systemd-networkd-wait-online.service"],
  ...["ssh.service", "apt-daily.timer", "apt-daily-upgrade.timer"],
];

/** The seed's files: text by name. */
export function cloudSeedFiles(seed: CloudSeed): ReadonlyMap<string, string> {
  const file = (path: string, content: string, permissions = "0600") => ({ path, content, permissions });
  const userData = {
    // With "dsmode: local" these modules run in cloud-init's first stage, which does not wait for a network.
    cloud_init_modules: ["write-files", "growpart", "resizefs", "bootcmd"],
    cloud_config_modules: [],
    cloud_final_modules: [],
    growpart: { mode: "auto", devices: ["/"] },
    resize_rootfs: true,
    write_files: [
      file("/run/livelab/host_key", seed.hostKey),
      file("/run/livelab/authorized_keys", `${seed.authorizedKey}\n`),
      file("/run/livelab/sshd_config", SSHD_CONFIG),
      file("/run/livelab/serve-ssh.sh", seed.serveScript),
      file("/run/systemd/system/livelab-ssh.service", UNIT, "0644"),
    ],
    bootcmd: [
      ["usermod", "--password", "*", "root"], // sshd refuses logins to a locked account
      ["systemctl", "stop", "--no-block", ...NOT_WANTED],
      ["systemctl", "start", "--no-block", "livelab-ssh.service"],
    ],
  };
  // JSON is valid YAML, and JSON.stringify() quotes all special characters.
  return new Map([
    ["meta-data", JSON.stringify({ "instance-id": "livelab", "local-hostname": "builder", dsmode: "local" })],
    ["user-data", `#cloud-config\n${JSON.stringify(userData)}\n`],
    ["network-config", JSON.stringify({ version: 1, config: "disabled" })],
  ]);
}

/**
 * What a cloud image is told at its first boot: files of a NoCloud seed, by which cloud-init grows the root and starts
 * serve-ssh.sh on the virtio-serial port. Pure: nothing is written, nothing is started.
 * It works with cloud-init 20.2 (Debian 10) to 22.4 (Debian 12), without a network.
 * Sources: docs.cloud-init.io "NoCloud", "Cloud config modules"; cloudinit/cmd/main.py main_init for "dsmode: local".
 * Not here: the disk that they are put on (cloud-machine.ts).
 */
import { SSHD_CONFIG } from "../../channel/sshd-config.js";

/** The label by which cloud-init knows the volume with the seed. */
export const SEED_LABEL = "CIDATA";

export interface CloudSeed {
  /** The text of serve-ssh.sh. */
  readonly serveScript: string;
  /** The guest's own key for this one machine, PEM. */
  readonly hostKey: string;
  /** The key that may log in as root, an authorized_keys line. */
  readonly authorizedKey: string;
}

/** All of it lies on tmpfs: the image's root is prepared for this one boot and no other. */
const UNIT = `[Unit]
Description=SSH for livelab on a virtio-serial port
[Service]
ExecStartPre=/bin/mkdir -p /run/sshd
ExecStart=/bin/sh /run/livelab/serve-ssh.sh /run/livelab/sshd_config
`;

/**
 * What would start after the seed did its work and is of no use here: cloud-init's later stages, the 2 min long wait for
 * a network with which they begin, the image's own sshd, and apt at times of its own.
 */
const NOT_WANTED = [
  ...["cloud-init.service", "cloud-config.service", "cloud-final.service", "systemd-networkd-wait-online.service"],
  ...["ssh.service", "apt-daily.timer", "apt-daily-upgrade.timer"],
];

/** The seed's files: text by name. */
export function cloudSeedFiles(seed: CloudSeed): ReadonlyMap<string, string> {
  const file = (path: string, content: string, permissions = "0600") => ({ path, content, permissions });
  const userData = {
    // With "dsmode: local" these run in cloud-init's first stage, which waits for nothing.
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
      ["usermod", "--password", "*", "root"], // sshd lets nobody in whose account is locked
      ["systemctl", "stop", "--no-block", ...NOT_WANTED],
      ["systemctl", "start", "--no-block", "livelab-ssh.service"],
    ],
  };
  // JSON is YAML, and needs no rules of its own for quoting.
  return new Map([
    ["meta-data", JSON.stringify({ "instance-id": "livelab", "local-hostname": "builder", dsmode: "local" })],
    ["user-data", `#cloud-config\n${JSON.stringify(userData)}\n`],
    ["network-config", JSON.stringify({ version: 1, config: "disabled" })],
  ]);
}

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SSHD_CONFIG } from "../../channel/sshd-config.js";
import { cloudSeedFiles } from "./cloud-seed.js";

const test = suite("cloud seed");

const serveScript = "#!/bin/sh\n# '\"quotes\"' : {braces} \\ $dollar\n\ttab\n---\n";
const files = cloudSeedFiles({ serveScript, hostKey: "-----BEGIN\nkey\n", authorizedKey: "ecdsa AAAA" });

/** Parses user-data as cloud-init does: the first line declares the rest as YAML, and JSON is valid YAML. */
function userData() {
  const [header, ...rest] = (files.get("user-data") ?? "").split("\n");
  assert.is(header, "#cloud-config");
  return JSON.parse(rest.join("\n"));
}

test("the seed has the files that cloud-init expects on a NoCloud volume", () => {
  assert.equal([...files.keys()], ["meta-data", "user-data", "network-config"]);
});

test("the seed selects cloud-init's local stage, and disables the network", () => {
  assert.is(JSON.parse(files.get("meta-data") ?? "").dsmode, "local");
  assert.is(JSON.parse(files.get("network-config") ?? "").config, "disabled");
});

test("the seed preserves every byte of a file, including characters that are special in YAML", () => {
  const written = new Map(
    userData().write_files.map((file: { path: string; content: string }) => [file.path, file.content]),
  );
  assert.is(written.get("/run/livelab/serve-ssh.sh"), serveScript);
  assert.is(written.get("/run/livelab/sshd_config"), SSHD_CONFIG);
  assert.is(written.get("/run/livelab/authorized_keys"), "ecdsa AAAA\n");
});

test("all files are in /run, at the paths that sshd_config names", () => {
  const { write_files: written } = userData() as { write_files: { path: string; permissions: string }[] };
  for (const { path } of written) assert.match(path, /^\/run\//);
  for (const line of SSHD_CONFIG.split("\n").filter((text) => text.includes("/run/")))
    assert.ok(
      written.some(({ path }) => path === line.split(" ")[1]),
      line,
    );
  assert.is(written.find(({ path }) => path === "/run/livelab/host_key")?.permissions, "0600");
});

test("SSH starts as the last command of the last module", () => {
  const { cloud_init_modules: modules, bootcmd } = userData();
  assert.is(modules.at(-1), "bootcmd");
  assert.equal(bootcmd.at(-1), ["systemctl", "start", "--no-block", "livelab-ssh.service"]);
});

test.run();

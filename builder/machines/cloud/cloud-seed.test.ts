import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SSHD_CONFIG } from "../../channel/sshd-config.js";
import { cloudSeedFiles } from "./cloud-seed.js";

const test = suite("cloud seed");

const serveScript = "#!/bin/sh\n# '\"quotes\"' : {braces} \\ $dollar\n\ttab\n---\n";
const files = cloudSeedFiles({ serveScript, hostKey: "-----BEGIN\nkey\n", authorizedKey: "ecdsa AAAA" });

/** What cloud-init reads: the first line says that the rest is YAML, which JSON is. */
function userData() {
  const [header, ...rest] = (files.get("user-data") ?? "").split("\n");
  assert.is(header, "#cloud-config");
  return JSON.parse(rest.join("\n"));
}

test("has the files that cloud-init looks for on a NoCloud volume", () => {
  assert.equal([...files.keys()], ["meta-data", "user-data", "network-config"]);
});

test("asks for the stage that waits for no network, and for no network", () => {
  assert.is(JSON.parse(files.get("meta-data") ?? "").dsmode, "local");
  assert.is(JSON.parse(files.get("network-config") ?? "").config, "disabled");
});

test("every byte of a written file arrives, whatever YAML thinks of it", () => {
  const written = new Map(
    userData().write_files.map((file: { path: string; content: string }) => [file.path, file.content]),
  );
  assert.is(written.get("/run/livelab/serve-ssh.sh"), serveScript);
  assert.is(written.get("/run/livelab/sshd_config"), SSHD_CONFIG);
  assert.is(written.get("/run/livelab/authorized_keys"), "ecdsa AAAA\n");
});

test("all files lie where they are gone with the machine, and where sshd looks for them", () => {
  const { write_files: written } = userData() as { write_files: { path: string; permissions: string }[] };
  for (const { path } of written) assert.match(path, /^\/run\//);
  for (const line of SSHD_CONFIG.split("\n").filter((text) => text.includes("/run/")))
    assert.ok(
      written.some(({ path }) => path === line.split(" ")[1]),
      line,
    );
  assert.is(written.find(({ path }) => path === "/run/livelab/host_key")?.permissions, "0600");
});

test("SSH starts when everything else is done", () => {
  const { cloud_init_modules: modules, bootcmd } = userData();
  assert.is(modules.at(-1), "bootcmd");
  assert.equal(bootcmd.at(-1), ["systemctl", "start", "--no-block", "livelab-ssh.service"]);
});

test.run();

import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../vm/project-root.js";
import { formatFileWarning } from "./file-warning.js";
import { parseNodeConfigFile, readNodeConfigFile } from "./node-config.js";

const test = suite("node.config");
const fixture = (name: string): string => join(findProjectRoot(), "fixtures", name);

test("the fixture is sound, and its password stands beside it", async () => {
  const file = await readNodeConfigFile(fixture("node.config"));
  assert.equal(file.warnings, []);
  assert.match(file.rootShadow ?? "", /^\$6\$/);
  assert.is(file.rootPassword, "livelab-fixture");
  assert.is(file.values.get("dns_domain"), "livelab.example");
});

test("a missing root_shadow is a warning that says how to make one", async () => {
  const file = await readNodeConfigFile(fixture("node.config.no-root-shadow"));
  assert.is(file.rootShadow, undefined);
  assert.is(file.rootPassword, undefined);
  assert.is(file.warnings.length, 1);
  assert.match(
    file.warnings.map(formatFileWarning).join("\n"),
    /no-root-shadow:root_shadow: is missing.*openssl passwd -6/,
  );
});

test("a clear-text password and a broken line are named by place", () => {
  const file = parseNodeConfigFile("nc", Buffer.from("a='1'\nwhat is this\nroot_shadow='secret'\n"));
  assert.equal(
    file.warnings.map((warning) => warning.place),
    ["2", "root_shadow"],
  );
});

test("an unreadable file is a usage error", async () => {
  try {
    await readNodeConfigFile("/nonexistent/node.config");
    assert.unreachable();
  } catch (error) {
    assert.is((error as { code?: string }).code, "NODE_CONFIG_UNREADABLE");
  }
});

test.run();

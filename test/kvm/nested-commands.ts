/** Runs livelab's commands in a nested host and parses their output. */
import * as assert from "uvu/assert";
import type { HostCheck } from "../../base/host-check.js";
import type { NestedHost, NestedRun, NestedUser } from "../../fixtures/nested-host/nested-host.js";
import type { BootReport } from "../../harness/boot/boot-report.js";

/** Time limits in milliseconds on a host with KVM. The nested host multiplies them by its measured time scale. */
const DOCTOR_LIMIT_MS = 60_000;
const BOOT_LIMIT_MS = 120_000;

export interface DoctorAnswer {
  readonly status: number;
  /** Finds a check by its name. @throws AssertionError if doctor has no such check */
  readonly check: (name: string) => HostCheck;
}

/** Runs `livelab doctor`. @param reprobe whether KVM is probed again */
export async function doctor(
  host: NestedHost,
  { as = "member", reprobe = false }: { as?: NestedUser; reprobe?: boolean } = {},
): Promise<DoctorAnswer> {
  const words = ["doctor", "--json", ...(reprobe ? ["--reprobe"] : [])];
  const { status, stdout, stderr } = await host.livelab(words, { as, limitMs: DOCTOR_LIMIT_MS });
  assert.match(stdout, /^\[/, `doctor ended with ${status}: ${stderr}`);
  const checks = JSON.parse(stdout) as HostCheck[];
  const check = (name: string): HostCheck => {
    const found = checks.find((each) => each.name === name);
    assert.ok(found, `doctor has no check ${name}`);
    return found as HostCheck;
  };
  return { status, check };
}

export interface BootAnswer extends NestedRun {
  /** Undefined if no machine was powered on. */
  readonly report: BootReport | undefined;
}

/** Boots out/latest. @param name name of the report's folder */
export async function boot(
  host: NestedHost,
  name: string,
  words: readonly string[],
  options: { as?: NestedUser } = {},
): Promise<BootAnswer> {
  const folder = `${host.reports}/${name}`;
  const run = await host.livelab(["boot", ...words, "--report", folder], { ...options, limitMs: BOOT_LIMIT_MS });
  const text = await host.readText(`${folder}/report.json`).catch(() => undefined);
  return { ...run, report: text === undefined ? undefined : (JSON.parse(text) as BootReport) };
}

/** Asserts that `--accel kvm` is refused before a machine is powered on. @returns the message */
export async function refusedBoot(host: NestedHost, name: string, options: { as?: NestedUser } = {}): Promise<string> {
  const { status, stderr, report } = await boot(host, name, ["--accel", "kvm"], options);
  assert.is(status, 3, stderr);
  assert.is(report, undefined, "no machine was powered on");
  const said = stderr.split("\n").filter((line) => line.startsWith("livelab: "));
  assert.ok(said.length > 0, `the refusal has a message: ${stderr}`);
  return said.join("\n");
}

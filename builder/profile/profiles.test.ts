import { suite } from "uvu";
import * as assert from "uvu/assert";
import { stages } from "../stages/stages.js";
import { loadProfile, profileNames, withSecurity } from "./profiles.js";

const test = suite("profiles");
const bookworm = loadProfile("bookworm");
const buster = loadProfile("buster");
const securityOf = ({ suites }: typeof bookworm): string | undefined =>
  suites.find(({ archive }) => archive === "debian-security")?.distribution;

test("bookworm is the default, and buster another choice", () => {
  assert.equal(profileNames, ["bookworm", "bookworm-security", "buster"]);
});

test("the security suite has the name of its release's time", () => {
  assert.is(securityOf(bookworm), undefined); // it moves: a lock of its own
  assert.is(securityOf(withSecurity(bookworm)), "bookworm-security");
  assert.is(securityOf(buster), "buster/updates"); // it moves no more: part of the one lock
});

test("a profile that has security updates stays as it is", () => {
  assert.is(withSecurity(buster), buster);
  const once = withSecurity(bookworm);
  assert.is(withSecurity(once), once);
});

test("takes nothing of buster-backports but the kernel and ZFS", () => {
  const backports = buster.suites.filter(({ distribution }) => distribution.endsWith("-backports"));
  assert.equal(
    backports.map(({ onlySources }) => onlySources),
    [["linux", "linux-signed-amd64", "zfs-linux"]],
  );
});

test("does not trust dates of suites that are archived, and of no others", () => {
  assert.ok(buster.suites.every(({ archived }) => archived));
  assert.not.ok(withSecurity(bookworm).suites.some(({ archived }) => archived));
});

for (const name of profileNames) {
  const { sets, suites, tools } = loadProfile(name);

  test(`${name}: each set that a stage takes or that another lies on is there before it`, () => {
    const names = sets.map((set) => set.name);
    for (const wanted of stages.flatMap((stage) => stage.sets)) assert.ok(names.includes(wanted), wanted);
    for (const [index, { on }] of sets.entries())
      if (on !== undefined) assert.ok(names.slice(0, index).includes(on), on);
  });

  test(`${name}: the builder machine has what its tools are said to be`, () => {
    const base = sets.find((set) => set.name === "base")?.packages ?? [];
    assert.is(base.includes("mmdebstrap"), tools.bootstrap === "mmdebstrap");
    // zstd and the same bytes each time came with the same version.
    assert.is(tools.squashfsOptions.includes("zstd"), tools.squashfsReproducible);
  });

  test(`${name}: last resorts are base addresses`, () => {
    for (const url of suites.flatMap(({ lastResorts }) => lastResorts)) assert.match(new URL(url).href, /\/$/);
  });
}

test.run();

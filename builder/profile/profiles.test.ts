import { suite } from "uvu";
import * as assert from "uvu/assert";
import { stages } from "../stages/stages.js";
import { loadProfile, profileNames, withSecurity } from "./profiles.js";

const test = suite("profiles");
const bookworm = loadProfile("bookworm");
const buster = loadProfile("buster");
const securityOf = ({ suites }: typeof bookworm): string | undefined =>
  suites.find(({ archive }) => archive === "debian-security")?.distribution;

test("bookworm is the default profile, and buster is another", () => {
  assert.equal(profileNames, ["bookworm", "bookworm-security", "buster"]);
});

test("the security suite has the name that its release used", () => {
  assert.is(securityOf(bookworm), undefined); // the suite still changes, so it has a separate lock
  assert.is(securityOf(withSecurity(bookworm)), "bookworm-security");
  assert.is(securityOf(buster), "buster/updates"); // the suite no longer changes, so it is part of the lock
});

test("withSecurity does not change a profile that has security updates", () => {
  assert.is(withSecurity(buster), buster);
  const once = withSecurity(bookworm);
  assert.is(withSecurity(once), once);
});

test("buster takes only the kernel and ZFS from buster-backports", () => {
  const backports = buster.suites.filter(({ distribution }) => distribution.endsWith("-backports"));
  assert.equal(
    backports.map(({ onlySources }) => onlySources),
    [["linux", "linux-signed-amd64", "zfs-linux"]],
  );
});

test("all suites of buster are archived, and no suite of bookworm is", () => {
  assert.ok(buster.suites.every(({ archived }) => archived));
  assert.not.ok(withSecurity(bookworm).suites.some(({ archived }) => archived));
});

for (const name of profileNames) {
  const { sets, suites, tools } = loadProfile(name);

  test(`${name}: the profile has each set that a stage uses, and a set comes after the set that it is based on`, () => {
    const names = sets.map((set) => set.name);
    for (const wanted of stages.flatMap((stage) => stage.sets)) assert.ok(names.includes(wanted), wanted);
    for (const [index, { on }] of sets.entries())
      if (on !== undefined) assert.ok(names.slice(0, index).includes(on), on);
  });

  test(`${name}: the packages of the builder machine match the profile's tools`, () => {
    const base = sets.find((set) => set.name === "base")?.packages ?? [];
    assert.is(base.includes("mmdebstrap"), tools.bootstrap === "mmdebstrap");
    // squashfs-tools 4.4 introduced both zstd and reproducible output.
    assert.is(tools.squashfsOptions.includes("zstd"), tools.squashfsReproducible);
  });

  test(`${name}: last resorts are base addresses`, () => {
    for (const url of suites.flatMap(({ lastResorts }) => lastResorts)) assert.match(new URL(url).href, /\/$/);
  });
}

test.run();

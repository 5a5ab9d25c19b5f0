import { access } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { loadProfile, profileNames } from "../profile/profiles.js";
import { parseStageWords, stageNames, stages } from "./stages.js";

const test = suite("stages");
const names = (...words: string[]): string[] => parseStageWords(words).map((stage) => stage.name);
const refusal = (...words: string[]): { code?: string; message: string; hint?: string } => {
  try {
    parseStageWords(words);
  } catch (error) {
    return error as { code?: string; message: string; hint?: string };
  }
  throw new Error("was not refused");
};

test("parseStageWords without words returns all stages", () => {
  assert.equal(names(), stageNames);
});

test("... stands for all stages after the one before it", () => {
  assert.equal(names("prepare_archive_bits", "..."), [
    ...["prepare_archive_bits", "create_tgz", "create_iso", "create_usb"],
  ]);
  assert.equal(names("create_usb", "..."), ["create_usb"]);
});

test("a build for boot ends with the squashfs, and refuses the stages after it with a hint", () => {
  const forBoot = (...words: string[]): string[] => parseStageWords(words, "boot").map((stage) => stage.name);
  assert.is(forBoot().at(-1), "prepare_archive_bits");
  assert.equal(forBoot("postinstall", "..."), ["postinstall", "prepare_archive_bits"]);
  assert.throws(
    () => forBoot("prepare_archive_bits", "create_tgz"),
    (error: { code: string; hint: string }) => error.code === "STAGE_ORDER" && error.hint.includes("--for boot"),
  );
});

test("an unknown stage is an error that names it, and its hint lists the known ones", () => {
  const error = refusal("install_proto", "instal_live");
  assert.is(error.code, "UNKNOWN_STAGE");
  assert.match(error.message, '"instal_live"');
  assert.match(error.hint ?? "", "install_live");
});

test("... without a stage before it is an error, and a second ... changes nothing", () => {
  assert.is(refusal("...").code, "STAGE_ORDER");
  assert.equal(names("create_tgz", "...", "..."), ["create_tgz", "create_iso", "create_usb"]);
});

test("a gap, a step back and a repeated stage are errors, and the hint names the next stage", () => {
  assert.match(refusal("install_proto", "create_tgz").hint ?? "", "next is postinstall");
  assert.is(refusal("postinstall", "install_proto").code, "STAGE_ORDER");
  assert.is(refusal("postinstall", "postinstall").code, "STAGE_ORDER");
});

test("every stage and helper has its shell file", async () => {
  const folder = join(findProjectRoot(), "builder/stages");
  for (const stage of stages) {
    await access(join(folder, `${stage.name}.sh`));
    const helpers = [...(stage.artifact ? [stage.artifact.script] : []), ...(stage.scripts ?? [])];
    for (const helper of helpers) await access(join(folder, `${helper}.sh`));
  }
});

test("every profile has each set of a stage, after the set that it lies on", () => {
  for (const name of profileNames) {
    const { sets } = loadProfile(name);
    const setNames = sets.map((set) => set.name);
    for (const wanted of stages.flatMap((stage) => stage.sets))
      assert.ok(setNames.includes(wanted), `${name}: ${wanted}`);
    for (const [index, { on }] of sets.entries())
      if (on !== undefined) assert.ok(setNames.slice(0, index).includes(on), `${name}: ${on}`);
  }
});

test.run();

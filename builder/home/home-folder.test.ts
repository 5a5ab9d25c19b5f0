import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuilderError } from "../builder-error.js";
import { homeFolder } from "./home-folder.js";

const test = suite("homeFolder()");
/** A user id without an entry in /etc/passwd. */
const NUMBER = 54321;

test("returns LIVELAB_HOME, else a folder below XDG_CACHE_HOME, else one below HOME", () => {
  const env = { LIVELAB_HOME: "/lab", XDG_CACHE_HOME: "/cache", HOME: "/home/me" };
  assert.is(homeFolder(env, NUMBER), "/lab");
  assert.is(homeFolder({ ...env, LIVELAB_HOME: "" }, NUMBER), "/cache/livelab");
  assert.is(homeFolder({ HOME: "/home/me" }, NUMBER), "/home/me/.cache/livelab");
  assert.is(homeFolder({ LIVELAB_HOME: "lab" }, NUMBER), `${process.cwd()}/lab`);
});

test("ignores XDG_CACHE_HOME and HOME if they are empty or not absolute, and reads /etc/passwd without HOME", () => {
  assert.is(homeFolder({ XDG_CACHE_HOME: "cache", HOME: "/home/me" }, NUMBER), "/home/me/.cache/livelab");
  for (const HOME of [undefined, "", "home"]) assert.is(homeFolder({ HOME }, 0), "/root/.cache/livelab");
});

test("throws NO_HOME with a hint for a user without HOME and without an entry in /etc/passwd", () => {
  assert.throws(
    () => homeFolder({ HOME: "" }, NUMBER),
    (error: BuilderError) => {
      assert.is(error.kind, "host");
      assert.match(error.message, `uid ${NUMBER} has no home folder`);
      assert.match(error.hint ?? "", "set LIVELAB_HOME");
      return true;
    },
  );
});

test.run();

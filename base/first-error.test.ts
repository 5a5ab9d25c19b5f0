import { suite } from "uvu";
import * as assert from "uvu/assert";
import { thrownBy } from "../fixtures/vm-deadline.js";
import { firstError, laterErrors } from "./first-error.js";

const test = suite("first error");

/** Throws `body` from a scope whose disposers throw `disposers`, in reverse order. */
async function throwAll(body: Error, ...disposers: readonly Error[]): Promise<void> {
  const [last, ...before] = disposers;
  if (last === undefined) throw body;
  await using _resource = {
    [Symbol.asyncDispose]: async () => {
      throw last;
    },
  };
  await throwAll(body, ...before);
}

test("the body's error comes first, and the errors of disposers follow in order", async () => {
  const [body, inner, outer] = [new TypeError("body"), new Error("inner"), new Error("outer")];
  assert.is(firstError(body), body);
  assert.equal(laterErrors(body), []);
  const both = await thrownBy(throwAll(body, outer, inner));
  assert.is(firstError(both), body);
  assert.equal(laterErrors(both), [inner, outer]);
});

test("a disposer's error alone is the first error, and another error with a field `suppressed` is returned as it is", async () => {
  const odd = Object.assign(new Error("odd"), { suppressed: new Error("never") });
  assert.is(firstError(odd), odd);
  assert.is(firstError("text"), "text");
  assert.is(firstError(undefined), undefined);
});

test.run();

/** The links of README.md and docs/: each leads to a file and a heading of the project, and the README leads to every page. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";

const test = suite("links in documents");
const root = findProjectRoot();

interface Link {
  /** The page it is on. */
  readonly from: string;
  /** Path below the project's root. */
  readonly path: string;
  /** Heading on that page; empty for its beginning. */
  readonly anchor: string;
}

/** Links to files, not to other sites. */
function linksIn(from: string, text: string): Link[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [file = "", anchor = ""] = target.split("#");
      return { from, path: file === "" ? from : normalize(join(dirname(from), file)), anchor };
    });
}

/** The anchors of a page's headings: lower case, a dash for each blank, and no punctuation, as GitHub makes them. */
const anchorsIn = (text: string): string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );

const names = ["README.md", ...(await readdir(join(root, "docs"))).map((name) => `docs/${name}`)];
const pages = new Map<string, string>();
for (const name of names.filter((each) => each.endsWith(".md"))) {
  pages.set(name, await readFile(join(root, name), "utf8"));
}
const links = [...pages].flatMap(([name, text]) => linksIn(name, text));

/** Why a link leads nowhere, or undefined. */
function problemOf({ path, anchor }: Link): string | undefined {
  if (path.startsWith("..") || !existsSync(join(root, path))) return `there is no ${path}`;
  const page = pages.get(path);
  if (anchor !== "" && !(page !== undefined && anchorsIn(page).includes(anchor))) {
    return `${path} has no heading #${anchor}`;
  }
  return undefined;
}

test("every link leads to a file and a heading that exist", () => {
  assert.ok(links.length >= 20, `${links.length} links`);
  for (const link of links) assert.is(problemOf(link), undefined, `${link.from}: ${problemOf(link)}`);
});

test("a missing file, a missing heading and a path out of the project are found", () => {
  const text =
    "[a](none.md) [b](docs/build.md#no-such-heading) [c](../README.md) [d](docs/build.md) [e](https://triton.example/x)";
  assert.equal(linksIn("README.md", text).map(problemOf), [
    "there is no none.md",
    "docs/build.md has no heading #no-such-heading",
    "there is no ../README.md",
    undefined,
  ]);
});

test("the README links to every page and picture of docs/", () => {
  const linked = new Set(linksIn("README.md", pages.get("README.md") ?? "").map(({ path }) => path));
  assert.equal(
    names.filter((name) => name.startsWith("docs/") && !linked.has(name)),
    [],
  );
});

test.run();

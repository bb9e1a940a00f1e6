import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../harness/root.ts";

/** Made by a build or by use, so not in a fresh clone. */
const generated = /^(?:(?:dist|out|node_modules|\.cairn)\/|(?:cairn\.)?rules\.json$)/u;
const pathLike = /^\.?[\w*{][\w.*{},-]*(\/[\w.*{},-]+)*\/?$/u;
const sourceFile = /\.(ts|mjs|cjs|js|json|md|css|sh|svg|csv|Dockerfile)$/u;

for (const document of ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]) {
  test(`every path that ${document} names exists`, () => {
    const text = readFileSync(join(root, document), "utf8").replaceAll(/^```.*?^```/gmsu, "");
    const named = [...text.matchAll(/`([^`\n]+)`/gu)].map(([, name = ""]) => name);
    const missing = named.filter((name) => isPath(name) && !exists(name));
    assert.deepEqual(missing, []);
  });
}

/** A name of a source file, or something that begins with a folder of ours. */
function isPath(name: string): boolean {
  if (!pathLike.test(name) || generated.test(name)) return false;
  return sourceFile.test(name) || (name.includes("/") && exists(name.replace(/\/.*/u, "")));
}

/** From the root; a bare file name may lie in any room. */
function exists(name: string): boolean {
  const path = name.replace(/\/$/u, "");
  const patterns = path.includes("/")
    ? [path]
    : [path, `{src,webview,test,docker,media,skills}/**/${path}`];
  return globSync(patterns, { cwd: root }).length > 0;
}

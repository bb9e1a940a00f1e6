import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import * as z from "zod";
import { command } from "../harness/command.ts";
import { root } from "../harness/root.ts";
import { plants } from "./plants.ts";

const report = z.object({
  diagnostics: z.array(z.object({ code: z.string(), filename: z.string() })),
});

test("lint reports each planted violation of the map, and nothing else in the tree", async (t) => {
  const copy = await mkdtemp(join(tmpdir(), "cairn-lint-"));
  t.after(() => rm(copy, { recursive: true }));
  for (const path of [
    "src",
    "webview",
    "docker",
    "oxlint.config.js",
    "package.json",
    "tsconfig.json",
  ]) {
    await cp(join(root, path), join(copy, path), { recursive: true });
  }
  await symlink(join(root, "node_modules"), join(copy, "node_modules"));
  for (const { path, source } of plants) {
    await mkdir(dirname(join(copy, path)), { recursive: true });
    await writeFile(join(copy, path), `${source}\n`);
  }

  const oxlint = join(root, "node_modules", ".bin", "oxlint");
  const { output } = await command(oxlint, ["-c", "oxlint.config.js", "-f", "json"], { cwd: copy });
  const found = report.parse(JSON.parse(output)).diagnostics;

  const missed = plants.filter(
    ({ path, rule }) => !found.some(({ code, filename }) => code === rule && filename === path),
  );
  assert.deepEqual(missed, [], "these plants were not reported");
  const planted = new Set(plants.map(({ path }) => path));
  const others = found.filter(({ filename }) => !planted.has(filename));
  assert.deepEqual(others, [], "these files were reported without a plant");
});

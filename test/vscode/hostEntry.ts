import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run as runTests } from "node:test";
import { inspect } from "node:util";
import type { HostResult } from "./hostResult.ts";

/**
 * VS Code calls this inside the extension host; it runs the bundled test files beside it and leaves
 * their results in the file that `CAIRN_HOST_RESULTS` names.
 */
export async function run(): Promise<void> {
  process.setSourceMapsEnabled(true);
  const results: HostResult[] = [];
  const files = readdirSync(__dirname)
    .filter((name) => name.endsWith(".test.cjs"))
    .map((name) => join(__dirname, name));
  const stream = runTests({ files, isolation: "none", timeout: 60_000 });
  stream.on("test:pass", ({ name, skip, details }) => {
    if (details.type === "suite") return;
    const skipped = skip !== undefined && skip !== false;
    const detail = typeof skip === "string" ? skip : "";
    results.push({
      name,
      outcome: skipped ? "skipped" : "passed",
      ms: details.duration_ms,
      detail,
    });
  });
  stream.on("test:fail", ({ name, details }) => {
    if (details.type === "suite") return;
    const detail = inspect(details.error.cause ?? details.error);
    results.push({ name, outcome: "failed", ms: details.duration_ms, detail });
  });
  // The stream ends with its process, and an extension host goes on. Every test of a file is
  // enqueued before the first one completes, so none open means all done.
  let open = 0;
  await new Promise<void>((resolve) => {
    stream.on("test:enqueue", () => {
      open += 1;
    });
    stream.on("test:complete", () => {
      open -= 1;
      if (open === 0) setTimeout(resolve, 100); // the last result arrives just after
    });
  });
  const target = process.env["CAIRN_HOST_RESULTS"];
  if (target === undefined) throw new Error("CAIRN_HOST_RESULTS is not set.");
  writeFileSync(target, JSON.stringify(results));
  if (results.some(({ outcome }) => outcome === "failed")) throw new Error("A test failed.");
}

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { RuntimeLog, runtimeLogFiles } from "../../src/sandbox/runtimeLog.ts";

const same = (line: string): string => line;

async function home(): Promise<string> {
  const place = await mkdtemp(join(tmpdir(), "cairn-log-"));
  after(async () => rm(place, { recursive: true, force: true }));
  return place;
}

test("the runtime log is turned over by size, and the oldest lines go", async () => {
  const place = await home();
  const log = new RuntimeLog(place, same, { bytes: 100, files: 3 });
  for (let n = 0; n < 30; n += 1) log.write(`line ${n}`);
  log.flush();
  const files = await runtimeLogFiles(place);
  assert.deepEqual(
    files.map((file) => basename(file)),
    ["runtime.log.2", "runtime.log.1", "runtime.log"],
  );
  const all = (await Promise.all(files.map(async (file) => readFile(file, "utf8")))).join("");
  const numbers = [...all.matchAll(/line (\d+)/g)].map(([, n]) => Number(n));
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, n) => 30 - numbers.length + n),
  );
  for (const file of files) assert.ok((await stat(file)).size < 200);
});

test("a line of a command cannot look like a line of the log", async () => {
  const place = await home();
  const log = new RuntimeLog(place, same);
  log.write("$ echo\n2026-01-01T00:00:00.000Z stopping\rx");
  log.flush();
  const [file = ""] = await runtimeLogFiles(place);
  const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
  assert.equal(lines.filter((line) => /^\d{4}-/.test(line)).length, 1);
});

test("the log is its owner's alone, and what must not be kept is taken out", async () => {
  const place = await home();
  const log = new RuntimeLog(place, (line) => line.replaceAll("hunter2", "…"));
  log.write("$ echo hunter2");
  log.flush();
  const [file = ""] = await runtimeLogFiles(place);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.match(await readFile(file, "utf8"), /^\S+Z \$ echo …\n$/);
});

test("a log that cannot be written stops nothing", () => {
  const log = new RuntimeLog("/dev/null", same);
  log.write("lost");
  log.flush();
});

import assert from "node:assert/strict";
import { cpSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { buildWriters } from "./builtWriters.ts";
import { checkStore } from "./checkStore.ts";
import { compileShim } from "./ioFaults.ts";
import { type Act, recordsAfter } from "./script.ts";
import { expectedAfter, type ScriptedEnd, ScriptedProcesses } from "./scriptedProcess.ts";

const root = mkdtempSync(join(tmpdir(), "cairn-power-"));
after(() => rmSync(root, { recursive: true, force: true }));
await buildWriters(root);
const processes = new ScriptedProcesses(root, compileShim(root));

/** A moment at which a file was synced or deleted, and what it was like then. */
interface Moment {
  readonly at: number;
  readonly file: string;
  /** Null when it was deleted. */
  readonly copy: string | null;
}

function momentsIn(synced: string): readonly Moment[] {
  return readdirSync(synced).flatMap((name) => {
    const [, file = "", at, gone] = /^(.*)\.(\d+)(\.gone)?$/u.exec(name) ?? [];
    const copy = gone === undefined ? join(synced, name) : null;
    return [{ at: Number(at), file, copy }];
  });
}

/** Makes the directory that a power cut after a moment leaves: nothing that was not synced. */
function leave(directory: string, moments: readonly Moment[], until: number): void {
  mkdirSync(directory);
  const files = new Map<string, string | null>();
  const past = moments.filter(({ at }) => at <= until).toSorted((one, two) => one.at - two.at);
  for (const { file, copy } of past) files.set(file, copy);
  for (const [file, copy] of files) if (copy !== null) copyFileSync(copy, join(directory, file));
}

/** Cuts the power after every moment of an act; returns what is wrong with what is left. */
function cutEverywhere(act: Act, end: ScriptedEnd, before: readonly Moment[]): readonly string[] {
  const moments = [...before, ...momentsIn(join(root, `synced${act}`))];
  const last = Math.max(...moments.map(({ at }) => at));
  return Array.from({ length: last + 1 }, (_, until) => {
    const directory = join(root, `cut${act}-${until}`);
    leave(directory, moments, until);
    const acknowledged = end.acknowledged.filter(({ syncs }) => syncs <= until);
    const wrong = checkStore(directory, expectedAfter(act, acknowledged));
    const where = `act ${act}, after sync ${until} and ${acknowledged.at(-1)?.name}`;
    return wrong.map((problem) => `${where}: ${problem}`);
  }).flat();
}

async function run(act: Act): Promise<ScriptedEnd> {
  const synced = join(root, `synced${act}`);
  mkdirSync(synced);
  const directory = join(root, `store${act}`);
  if (act === 2) cpSync(join(root, "store1"), directory, { recursive: true });
  return processes.run(act, directory, null, { CAIRN_FAULT_SYNCED: synced });
}

test("a power cut at any moment, that loses all that was not synced, loses no acknowledged record and no blob", async () => {
  const first = await run(1);
  const second = await run(2);
  assert.equal(first.acknowledged.length, recordsAfter[1] + 3);
  const store = join(root, "store1");
  const before = readdirSync(store).map((file) => ({ at: 0, file, copy: join(store, file) }));
  assert.deepEqual([...cutEverywhere(1, first, []), ...cutEverywhere(2, second, before)], []);
});

import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { buildWriters } from "./faults/builtWriters.ts";
import { checkStore } from "./faults/checkStore.ts";
import { compileShim } from "./faults/ioFaults.ts";
import { type Act, recordsAfter } from "./faults/script.ts";
import {
  acknowledgedIn,
  acknowledgedName,
  expectedAfter,
  type ScriptedEnd,
  ScriptedProcesses,
} from "./faults/scriptedProcess.ts";

const root = mkdtempSync(join(tmpdir(), "cairn-killed-"));
after(() => rmSync(root, { recursive: true, force: true }));
await buildWriters(root);
const processes = new ScriptedProcesses(root, compileShim(root));
const afterAct1 = join(root, "afterAct1");
const afterAct2 = join(root, "afterAct2");

/** Runs an act to its end, and keeps what a kill before each call would have left. */
async function runWithImages(act: Act, directory: string): Promise<ScriptedEnd> {
  const images = join(root, `images${act}`);
  mkdirSync(images);
  return processes.run(act, directory, null, { CAIRN_FAULT_IMAGES: images });
}

const first = await runWithImages(1, afterAct1);
cpSync(afterAct1, afterAct2, { recursive: true });
const second = await runWithImages(2, afterAct2);
const acts = [
  { act: 1, calls: first.calls },
  { act: 2, calls: second.calls },
] as const;
const callCount = first.calls.length + second.calls.length;

interface Point {
  readonly act: Act;
  readonly at: number;
  readonly call: string;
  readonly fault: "killBefore" | "killAfter";
}

/** Where the disk comes into a new state: the moment after any other call is that before the next. */
const points = acts.flatMap(({ act, calls }) =>
  calls.flatMap((call, index): readonly Point[] => {
    if (!/^(sync|unlink|truncate)/u.test(call)) return [];
    const before: Point = { act, at: index + 1, call, fault: "killBefore" };
    return [before, { ...before, fault: "killAfter" }];
  }),
);

/** Kills the writer there; returns what is wrong with the store that it leaves. */
async function kill({ act, at, call, fault }: Point): Promise<readonly string[]> {
  const directory = join(root, `${act}-${fault}-${at}`);
  if (act === 2) cpSync(afterAct1, directory, { recursive: true });
  const end = await processes.run(act, directory, { fault, at, times: 1 });
  const problems = [...checkStore(directory, expectedAfter(act, end.acknowledged))];
  if (end.signal !== "SIGKILL") problems.push(`it was not killed (${end.signal}, ${end.code})`);
  rmSync(directory, { recursive: true, force: true });
  const where = `act ${act}, ${fault}, call ${at} (${call}), after ${end.acknowledged.at(-1)?.name}`;
  return problems.map((problem) => `${where}: ${problem}`);
}

test("the script without a kill leaves all its records", () => {
  assert.deepEqual([first.code, second.code], [0, 0]);
  const all = recordsAfter[2];
  assert.deepEqual(checkStore(afterAct2, { records: [all, all], blobs: true }), []);
});

test(`what a kill before any of ${callCount} calls leaves: every acknowledged record is there, and the next process takes over at once`, () => {
  const wrong = acts.flatMap(({ act, calls }) =>
    calls.flatMap((call, index) => {
      const image = join(root, `images${act}`, String(index + 1));
      const acknowledged = acknowledgedIn(join(image, acknowledgedName));
      const problems = checkStore(image, expectedAfter(act, acknowledged));
      return problems.map((problem) => `act ${act}, call ${index + 1} (${call}): ${problem}`);
    }),
  );
  assert.deepEqual(wrong, []);
});

test(`${points.length} real kills, before and after each call that syncs, cuts or deletes a file: the same`, async () => {
  const queue = points.values();
  const wrong: string[] = [];
  const lane = async (): Promise<void> => {
    for (const point of queue) wrong.push(...(await kill(point)));
  };
  await Promise.all([lane(), lane()]);
  assert.deepEqual(wrong, []);
});

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { buildWriters } from "./builtWriters.ts";
import type { DiskErrorJob, DiskErrorOutcome } from "./diskErrorJob.ts";
import { DiskErrorLanes } from "./diskErrorLanes.ts";
import { compileShim } from "./ioFaults.ts";
import { pickCalls } from "./pickCalls.ts";

const root = mkdtempSync(join(tmpdir(), "cairn-disk-"));
await buildWriters(root);
const lanes = new DiskErrorLanes(root, compileShim(root));
after(async () => {
  await lanes.close();
  rmSync(root, { recursive: true, force: true });
});

/** The runs without a fault: they name every call, and act 2 starts from the store of act 1. */
const none = { fault: "EIO", hits: {}, stays: false, keep: true } as const;
const [first] = await lanes.prepare({ ...none, name: "afterAct1", act: 1 });
const [second] = await lanes.prepare({ ...none, name: "afterAct2", act: 2 });
assert.ok(first !== undefined && second !== undefined);
const acts: readonly DiskErrorOutcome[] = [first, second];
let runs = 0;

/**
 * Runs that together hit every call that `pick` names: each hits one call of every operation, so
 * that one run meets a dozen faults and goes on after each. In every other run the cause stays
 * until it is taken away; `parity` says in which.
 */
function jobsFor(
  { fault, parity }: { readonly fault: DiskErrorJob["fault"]; readonly parity: number },
  pick: (calls: readonly string[]) => readonly number[],
): readonly DiskErrorJob[] {
  return acts.flatMap(({ job: { act }, calls }) => {
    const picked = Object.entries(calls).map(([name, each]) => [name, pick(each)] as const);
    const most = Math.max(...picked.map(([, numbers]) => numbers.length));
    return Array.from({ length: most }, (_, index) => {
      const hits = picked.flatMap(([name, numbers]) => {
        const at = numbers[index];
        return at === undefined ? [] : [[name, at] as const];
      });
      runs += 1;
      const name = `run${runs}`;
      const stays = (index + parity) % 2 === 1;
      return { name, act, fault, stays, hits: Object.fromEntries(hits), keep: false };
    });
  });
}

function pickWrites(calls: readonly string[]): readonly number[] {
  return pickCalls(calls).filter((at) => calls[at - 1]?.startsWith("write") === true);
}

/** Every run is sound, and every fault that it was to meet was met. */
async function assertSound(jobs: readonly DiskErrorJob[]): Promise<void> {
  const outcomes = await lanes.runAll(jobs);
  const wrong = outcomes.flatMap(({ job, problems }) =>
    problems.map((problem) => `act ${job.act}, ${job.fault}: ${problem}`),
  );
  assert.deepEqual(wrong, []);
  const missed = outcomes.flatMap(({ job, calls }) =>
    Object.entries(job.hits).flatMap(([name, at]) =>
      (calls[name]?.length ?? 0) < at ? [`act ${job.act}, ${name}, call ${at}`] : [],
    ),
  );
  assert.deepEqual(missed, [], "every fault was met");
  assert.ok(outcomes.some(({ refused }) => refused.length > 0));
}

const count = acts
  .flatMap(({ calls }) => Object.values(calls))
  .reduce((sum, calls) => sum + pickCalls(calls).length, 0);

test("the script without a fault goes through, and writes, syncs, grows and deletes files", () => {
  const found = acts.map(({ refused, problems }) => ({ refused, problems }));
  assert.deepEqual(found, [
    { refused: [], problems: [] },
    { refused: [], problems: [] },
  ]);
  const calls = acts.flatMap((act) => Object.values(act.calls).flat());
  const met = new Set(calls.map((call) => call.split(" ")[0] ?? ""));
  const kinds = ["chmod", "open", "sync", "truncate", "unlink", "write"];
  assert.deepEqual(
    kinds.filter((kind) => !met.has(kind)),
    [],
    "kinds of calls that were not met",
  );
});

for (const [parity, fault] of (["ENOSPC", "EIO", "EROFS", "EMFILE"] as const).entries()) {
  test(`${fault} at each of ${count} calls (of a row of equal ones the first two and the last), once or until it is taken away in turn: a typed refusal, nothing false acknowledged, and it goes on`, async () => {
    await assertSound(jobsFor({ fault, parity }, pickCalls));
  });
}

test("a write that a full disk cuts short leaves nothing behind that was not acknowledged", async () => {
  await assertSound(jobsFor({ fault: "shortWrite", parity: 0 }, pickWrites));
});

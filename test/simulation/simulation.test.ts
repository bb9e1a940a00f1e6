import assert from "node:assert/strict";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { suite, test } from "node:test";
import { Worker } from "node:worker_threads";
import * as z from "zod";
import { runSchedule } from "./schedule.ts";
import type { Bug } from "./simStore.ts";

/** A landing has half an hour for all tests; whoever runs them otherwise gets all schedules. */
const schedules = process.env["CI"] === "true" ? 20_000 : 100_000;
/** Under a minute on two idle cores; whatever else the machine does is added. */
const patienceMs = 600_000;
const lanes = Math.min(2, availableParallelism());

async function simulate(bug: Bug, count: number, stopAtFirst: boolean): Promise<readonly string[]> {
  const found = await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      const workerData = { bug, from: 1 + lane, to: 1 + count, step: lanes, stopAtFirst };
      const worker = new Worker(new URL("lane.ts", import.meta.url), { workerData });
      const [failures] = await once(worker, "message");
      return z.array(z.string()).parse(failures);
    }),
  );
  return found.flat();
}

suite("a simulation of crashes", () => {
  test(
    `finds nothing wrong in ${schedules} schedules of kills, power cuts and stopped owners`,
    { timeout: patienceMs },
    async (context) => {
      const began = performance.now();
      const failures = await simulate("none", schedules, false);
      const seconds = (performance.now() - began) / 1000;
      context.diagnostic(`${schedules} schedules in ${seconds.toFixed(1)} s`);
      assert.deepEqual(failures.slice(0, 3), []);
    },
  );

  const planted = [
    ["noIntent", /happened \d times, \d were wanted/],
    ["noSync", /acknowledged record \d+ is lost|comes to its end|recorded once/],
    ["noLeaseCheck", /recorded once|nothing is recorded after the end|happened \d times|is lost/],
  ] as const;
  for (const [bug, sign] of planted) {
    test(`finds a planted bug: ${bug}`, async () => {
      const [first] = await simulate(bug, 2000, true);
      assert.match(first ?? "nothing found", sign);
    });
  }

  test("is the same for the same seed", async () => {
    const [one, two] = [await runSchedule(7, "none"), await runSchedule(7, "none")];
    assert.deepEqual(one, two);
    const different = new Set<number>();
    for (let seed = 1; seed <= 20; seed += 1) {
      different.add((await runSchedule(seed, "none")).records.length);
    }
    assert.ok(different.size > 5, "the seeds differ in what happens");
  });

  test("comes by every kind of trouble: effects in doubt, new owners, waits", async () => {
    const kinds = new Set<string>();
    for (let seed = 1; seed <= 200; seed += 1) {
      for (const record of (await runSchedule(seed, "none")).records) {
        kinds.add(
          record.kind === "wait.opened" ? `${record.kind} ${record.waitKind}` : record.kind,
        );
      }
    }
    for (const kind of ["wait.opened inDoubt", "wait.opened text", "session.resumed"]) {
      assert.ok(kinds.has(kind), kind);
    }
  });
});

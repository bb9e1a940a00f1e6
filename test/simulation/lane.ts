import { parentPort, workerData } from "node:worker_threads";
import * as z from "zod";
import { runSchedule } from "./schedule.ts";

/** Runs every second schedule of a range, or the like, in a thread of its own; ends at the first that fails when asked to. */
const { bug, from, to, step, stopAtFirst } = z
  .object({
    bug: z.enum(["none", "noIntent", "noSync", "noLeaseCheck"]),
    from: z.int(),
    to: z.int(),
    step: z.int(),
    stopAtFirst: z.boolean(),
  })
  .parse(workerData);

Error.stackTraceLimit = 0;
const failures: string[] = [];
for (let seed = from; seed < to; seed += step) {
  try {
    await runSchedule(seed, bug);
  } catch (error) {
    const [sentence = ""] = String(error).split("\n");
    failures.push(`seed ${seed}: ${sentence}`);
    if (stopAtFirst) break;
  }
}
parentPort?.postMessage(failures);

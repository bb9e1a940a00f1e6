import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { mustRun } from "../harness/command.ts";
import { atMost, type Measure } from "./metric.ts";

/** What sessions that wait for an answer cost the process that keeps them. */
export const memory: Measure = async () => {
  const folder = mkdtempSync(join(process.cwd(), "out", "bench-"));
  const script = join(import.meta.dirname, "idleSessions.ts");
  const text = await mustRun(process.execPath, ["--expose-gc", script, folder, "10"]);
  const [none = 0, ...after] = z.array(z.number()).parse(JSON.parse(text));
  const ten = (after.at(-1) ?? 0) - none;
  console.log(`     megabytes after each: ${after.map((mb) => (mb - none).toFixed(1)).join(" ")}`);
  return {
    "memory.idle_mb": atMost(ten / 10, "MB", 3),
    "memory.ten_mb": atMost(ten, "MB", 100),
  };
};

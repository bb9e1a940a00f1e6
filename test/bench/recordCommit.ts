import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { RecordBody } from "../../src/core/records.ts";
import { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { startRecord } from "../contracts/driver.ts";
import { median, ratioAtMost, type Measure } from "./metric.ts";

const records = 2_000;

/** A durable record against a raw append and fdatasync of the same bytes, in turns, on one disk. */
export const recordCommit: Measure = async () => {
  const folder = mkdtempSync(join(process.cwd(), "out", "bench-"));
  const driver = new EmbeddedDriver({
    worker: new URL("../../dist/storeWorker.cjs", import.meta.url),
    path: join(folder, "sessions.db"),
    key: new Uint8Array(32),
    owner: thisOwner(process.pid),
  });
  const file = openSync(join(folder, "floor"), "a");
  try {
    const lease = await driver.create("bench", startRecord());
    const durable: number[] = [];
    const raw: number[] = [];
    for (let at = 0; at < records; at += 1) {
      const body = resultRecord(at);
      const bytes = Buffer.from(JSON.stringify(body));
      const began = performance.now();
      await driver.append(lease, body);
      const between = performance.now();
      writeSync(file, bytes);
      fdatasyncSync(file);
      durable.push(between - began);
      raw.push(performance.now() - between);
    }
    const early = median(durable.slice(10, 210)) / median(raw.slice(10, 210));
    const late = median(durable.slice(-200)) / median(raw.slice(-200));
    // Flat: the last records cost what the first did, each against the disk of its moment.
    const holds = late <= early * 1.5;
    return {
      "record.commit.ratio": ratioAtMost(median(durable), median(raw), {
        unit: "ms",
        target: 2,
        holds,
      }),
      "record.commit.flat": ratioAtMost(late, early, { unit: "x floor", target: 1.5 }),
    };
  } finally {
    closeSync(file);
    await driver.close();
    rmSync(folder, { recursive: true, force: true });
  }
};

/** A tool's result of one kilobyte. */
function resultRecord(at: number): RecordBody {
  return {
    kind: "step.completed",
    at,
    step: `turn/${at}/tool/call`,
    key: "0".repeat(64),
    stepKind: "tool",
    name: "exec",
    inputs: { args: "0".repeat(64) },
    output: { text: "x".repeat(700), ok: true },
    durationMs: 1,
    via: "run",
  };
}

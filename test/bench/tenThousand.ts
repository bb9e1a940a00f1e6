import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { viewOf } from "../../src/core/replay.ts";
import type { RecordBody } from "../../src/core/records.ts";
import { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { startRecord } from "../contracts/records.ts";
import { LongSession } from "./longSession.ts";
import { atMost, median, type Measure, type Metric } from "./metric.ts";

const records = 10_000;
const samples = 7;

/** What a session of 10,000 records costs to list, to open and to go on with, and on disk. */
export const tenThousand: Measure = async () => {
  const folder = mkdtempSync(join(process.cwd(), "out", "bench-"));
  try {
    return {
      ...(await times(join(folder, "times.db"))),
      "bytes.ratio": await bytesRatio(folder),
      "loop.delay.p99_ms": await loopDelay(join(folder, "loop.db")),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

async function times(path: string): Promise<Readonly<Record<string, Metric>>> {
  await fill(path, { count: records, bytes: 1000 });
  const list: number[] = [];
  const open: number[] = [];
  const long = new LongSession(join(path, ".."));
  await long.fill(records);
  const resume: number[] = [];
  for (let sample = 0; sample < samples; sample += 1) {
    resume.push(await long.resume());
    open.push(
      await took(path, async (driver) => {
        viewOf(await driver.read("bench"));
      }),
    );
    const driver = openStore(path);
    await driver.list();
    const began = performance.now();
    await driver.list();
    list.push(performance.now() - began);
    await driver.close();
  }
  return {
    "list.10k_ms": atMost(median(list), "ms", 50),
    "open.10k_ms": atMost(median(open), "ms", 150),
    "resume.10k_ms": atMost(median(resume), "ms", 150),
  };
}

/** A driver opened cold in this process, as a window does, until the work on it is done. */
async function took(
  path: string,
  work: (driver: EmbeddedDriver) => Promise<unknown>,
): Promise<number> {
  const began = performance.now();
  const driver = openStore(path);
  await work(driver);
  const ms = performance.now() - began;
  await driver.close();
  return ms;
}

/** The store's files after it is closed, against the JSON of the records, for small and large ones. */
async function bytesRatio(folder: string): Promise<Metric> {
  const ratios: number[] = [];
  for (const kilobytes of [1, 10, 100]) {
    const place = mkdtempSync(join(folder, "bytes-"));
    const payload = await fill(join(place, "sessions.db"), {
      count: Math.ceil(4000 / kilobytes),
      bytes: kilobytes * 1000,
    });
    const files = readdirSync(place).map((name) => statSync(join(place, name)).size);
    const ratio = files.reduce((sum, size) => sum + size, 0) / payload;
    console.log(`     records of ${kilobytes} KB: ${ratio.toFixed(3)} bytes on disk for one`);
    ratios.push(ratio);
  }
  return atMost(Math.max(...ratios), "x", 1.3);
}

/** How long the main thread is kept from anything else while records of 100 KB are committed. */
async function loopDelay(path: string): Promise<Metric> {
  const driver = openStore(path);
  const lease = await driver.create("bench", startRecord());
  const bodies = Array.from({ length: 200 }, (_, at) => resultRecord(at, 100_000));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  for (const body of bodies) await driver.append(lease, body);
  delay.disable();
  await driver.close();
  // The histogram counts from its own resolution of a millisecond.
  return atMost(delay.percentile(99) / 1e6, "ms", 10);
}

/** Fills a session and closes the store; returns the bytes of its records' JSON. */
async function fill(
  path: string,
  { count, bytes }: { readonly count: number; readonly bytes: number },
): Promise<number> {
  const driver = openStore(path);
  const lease = await driver.create("bench", startRecord());
  let payload = JSON.stringify(startRecord()).length;
  const pending: Promise<unknown>[] = [];
  for (let at = 2; at <= count; at += 1) {
    const body = resultRecord(at, bytes);
    payload += JSON.stringify(body).length;
    pending.push(driver.append(lease, body));
  }
  await Promise.all(pending);
  await driver.close();
  return payload;
}

function openStore(path: string): EmbeddedDriver {
  return new EmbeddedDriver({
    worker: new URL("../../dist/storeWorker.cjs", import.meta.url),
    path,
    key: new Uint8Array(32),
    owner: thisOwner(process.pid),
  });
}

/** A tool's result whose record is about this long, of text that does not repeat. */
function resultRecord(at: number, bytes: number): RecordBody {
  const body = {
    kind: "step.completed",
    at,
    step: `turn/${Math.ceil(at / 3)}/tool/call_${at}`,
    key: "0".repeat(64),
    stepKind: "tool",
    name: "exec",
    inputs: { args: "0".repeat(64) },
    durationMs: 1,
    via: "run",
  } as const;
  const room = bytes - JSON.stringify(body).length - 32;
  const text = randomBytes(Math.ceil((room * 3) / 4))
    .toString("base64")
    .slice(0, room);
  return { ...body, output: { text, ok: true } };
}

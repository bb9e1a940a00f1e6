import { createHash } from "node:crypto";
import type { DurableDriver, Lease } from "../../../src/core/ports.ts";
import type { RecordBody } from "../../../src/core/records.ts";
import { startRecord, stepRecord } from "../../contracts/records.ts";

/** Bytes of the outputs that are appended, in order: small ones, and some beyond a page or a blob. */
const sizes = [100, 1000, 10_000, 200, 100_000, 1000, 40_000, 100, 5000, 300, 1000, 100];
const blobSizes = [3000, 50_000];

/**
 * What sessions do to a store. Act 1, in an empty folder: two are created, one gets records and
 * blobs, the store is closed. Act 2, by another process: it is claimed, goes on, the store is closed.
 */
export type Act = 1 | 2;

/** Records of the session `one` after an act: the first one and one for each size. */
export const recordsAfter: Readonly<Record<Act, number>> = { 1: 7, 2: sizes.length + 1 };

/** Does one operation of the script; it may do it again until it goes through. */
export type Perform = (name: string, operation: () => Promise<void>) => Promise<void>;

export async function runAct(act: Act, driver: DurableDriver, perform: Perform): Promise<void> {
  let lease: Lease = { session: "one", epoch: 0 };
  if (act === 1) {
    await perform("create other", async () => {
      await driver.create("other", scriptedRecord(1));
    });
    await perform("create one", async () => {
      lease = await driver.create("one", scriptedRecord(1));
    });
  } else {
    await perform("claim one", async () => {
      lease = await driver.claim("one");
    });
  }
  const from = act === 1 ? 2 : recordsAfter[1] + 1;
  for (let seq = from; seq <= recordsAfter[act]; seq += 1) {
    await perform(`append ${seq}`, async () => {
      await driver.append(lease, scriptedRecord(seq));
    });
  }
  if (act === 1) {
    await perform("blobs", async () => {
      await driver.putBlobs("one", scriptedBlobs());
    });
  }
  await perform("close", async () => driver.close());
}

/** The record that the script writes at this place; every one differs. */
export function scriptedRecord(seq: number): RecordBody {
  if (seq === 1) return startRecord();
  return stepRecord(filler(`record ${seq}`, sizes[(seq - 2) % sizes.length] ?? 100), {
    at: seq,
    key: `key ${seq}`,
    cache: seq % 2 === 0 ? "workspace" : "session",
  });
}

export function scriptedBlobs(): readonly Uint8Array[] {
  return blobSizes.map((size) => new TextEncoder().encode(filler(`blob ${size}`, size)));
}

function filler(seed: string, size: number): string {
  let text = "";
  for (let part = 0; text.length < size; part += 1) {
    text += createHash("sha256").update(`${seed} ${part}`).digest("base64");
  }
  return text.slice(0, size);
}

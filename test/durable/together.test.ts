import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { packRecord } from "../../src/durable/packRecord.ts";
import { SqliteStore } from "../../src/durable/sqliteStore.ts";
import { noteRecord, startRecord, stepRecord } from "../contracts/records.ts";

const root = mkdtempSync(join(tmpdir(), "cairn-together-"));
after(() => rmSync(root, { recursive: true, force: true }));
const key = new Uint8Array(32).fill(7);

function openStore(name: string): EmbeddedDriver {
  const worker = new URL("../../src/durable/storeWorker.ts", import.meta.url);
  return new EmbeddedDriver({ worker, path: join(root, name), key, owner: thisOwner(process.pid) });
}

test("records of many sessions at once share their syncs", async () => {
  const driver = openStore("share.db");
  const leases = [];
  for (let each = 0; each < 8; each += 1) {
    leases.push(await driver.create(`s${each}`, startRecord()));
  }
  const body = stepRecord({ text: "x".repeat(700) });
  const alone: number[] = [];
  const shared: number[] = [];
  // In turns, so that both meet the same disk.
  for (let round = 0; round < 40; round += 1) {
    let began = performance.now();
    for (const lease of leases) await driver.append(lease, body);
    alone.push(performance.now() - began);
    began = performance.now();
    await Promise.all(leases.map(async (lease) => driver.append(lease, body)));
    shared.push(performance.now() - began);
  }
  const [one, eight] = [median(alone), median(shared)];
  console.log(`8 appends: one at a time ${one.toFixed(2)} ms, at once ${eight.toFixed(2)} ms`);
  assert.ok(eight < one / 2, `${eight} ms at once, ${one} ms one at a time`);
  await driver.close();
});

test("a record that SQLite cannot keep fails alone, with all that belongs to it", () => {
  const path = join(root, "alone.db");
  const clock = { leaseMs: 1000, now: () => 1, dead: () => false };
  const store = new SqliteStore({ path, key, owner: "me", ...clock });
  const one = store.create("one", packRecord(startRecord()).packed, {});
  const two = store.create("two", packRecord(startRecord()).packed, {});
  // A row in the way of session one's next record, behind the store's back.
  const raw = new DatabaseSync(path);
  raw.exec("insert into record_1 select 2, body, mac, null, null from record_1");
  raw.close();
  const good = packRecord(noteRecord(2)).packed;
  const outcomes = store.together([
    { method: "append", args: [two, good] },
    { method: "append", args: [one, { ...good, payload: "lost" }] },
    { method: "putBlobs", args: ["one", [new TextEncoder().encode("kept")]] },
    { method: "append", args: [two, good] },
  ]);
  assert.deepEqual(
    outcomes.map(({ ok }) => ok),
    [true, false, true, true],
  );
  let read = 0;
  store.read("two", 0, () => (read += 1));
  assert.equal(read, 3);
  assert.notEqual(store.getBlob(hash("sha256", "kept")), null);
  assert.equal(store.getBlob(hash("sha256", "lost")), null);
  store.close();
});

test("another process's records are seen within 200 ms", async () => {
  const path = "watch.db";
  const [first, second] = [openStore(path), openStore(path)];
  const lease = await first.create("one", startRecord());
  const abort = new AbortController();
  const took: number[] = [];
  let written = 0;
  for await (const record of second.watch("one", 0, abort.signal)) {
    if (record.seq > 1) took.push(performance.now() - written);
    if (record.seq === 12) break;
    // Not in step with the look of the other.
    await delay(record.seq * 7);
    written = performance.now();
    await first.append(lease, noteRecord(record.seq));
  }
  console.log(
    `seen after ${median(took).toFixed(0)} ms, at most ${Math.max(...took).toFixed(0)} ms`,
  );
  assert.ok(median(took) <= 200, `${took.join(", ")} ms`);
  await first.close();
  await second.close();
});

function median(values: readonly number[]): number {
  return (
    values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN
  );
}

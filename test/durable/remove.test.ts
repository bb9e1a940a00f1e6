import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Lease } from "../../src/core/ports.ts";
import { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { packBytes } from "../../src/durable/packedBytes.ts";
import { startRecord, stepRecord } from "../contracts/records.ts";

const root = mkdtempSync(join(tmpdir(), "cairn-remove-"));
after(() => rmSync(root, { recursive: true, force: true }));

function openStore(path: string): EmbeddedDriver {
  const worker = new URL("../../src/durable/storeWorker.ts", import.meta.url);
  const key = new Uint8Array(32).fill(7);
  return new EmbeddedDriver({ worker, path, key, owner: thisOwner(process.pid) });
}

/** Bytes that the store keeps as they are: with chance between the marks there is nothing to pack. */
function marked(mark: string, times: number): Uint8Array {
  const parts = Array.from({ length: times }, () => [Buffer.from(mark), randomBytes(400)]);
  return Buffer.concat(parts.flat());
}

/** Which of these texts are in any file of the store. */
function found<Text extends string | Buffer>(
  path: string,
  texts: readonly Text[],
): readonly Text[] {
  const files = [path, `${path}-wal`, `${path}-shm`].filter((file) => existsSync(file));
  const bytes = files.map((file) => readFileSync(file));
  return texts.filter((text) => bytes.some((content) => content.includes(text)));
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

test("of a removed session no byte is left in any file of the store", async () => {
  const path = join(root, "bytes.db");
  const driver = openStore(path);
  const reader = openStore(path);
  const large = "MARK-payload ".repeat(8000);
  const payload = Buffer.from(packBytes(text(JSON.stringify(large))).bytes).subarray(0, 64);
  const marks = ["MARK-goal", "MARK-record", payload, "MARK-tree", "MARK-key"];
  const lease = await driver.create("one", startRecord("MARK-goal"));
  await driver.append(
    lease,
    stepRecord("MARK-record ".repeat(50), { key: "MARK-key", cache: "workspace" }),
  );
  await driver.append(lease, stepRecord(large));
  await driver.putBlobs("one", [marked("MARK-tree", 4), text("shared")]);
  const other = await driver.create("two", startRecord(), { sharesBlobsOf: "one" });
  assert.deepEqual(found(path, marks), marks);
  await reader.read("one");

  await driver.release(lease);
  await driver.remove("one");
  assert.deepEqual(found(path, marks), ["MARK-tree"], "which the other session shares");
  await driver.release(other);
  await reader.remove("two");
  assert.deepEqual(found(path, marks), []);
  await driver.close();
  await reader.close();
});

test("sessions that grew and went among one another leave no byte of those that went", async () => {
  const path = join(root, "many.db");
  const driver = openStore(path);
  const seed = Number(process.env["CAIRN_SEED"] ?? Date.now() % 1_000_000);
  const { kept, gone } = await live(driver, random(seed));
  assert.ok(gone.length > 30, `${gone.length} texts are gone`);
  assert.deepEqual(found(path, gone), [], `seed ${seed}`);
  assert.deepEqual(found(path, kept), kept, `seed ${seed}`);
  assert.deepEqual(await driver.verify(), []);
  await driver.close();
});

/** Makes, fills, forks and removes sessions at random; tells what must be left, and what must not. */
async function live(
  driver: EmbeddedDriver,
  next: () => number,
): Promise<{ readonly kept: readonly string[]; readonly gone: readonly string[] }> {
  const living = new Map<string, Lease>();
  const blobs = new Map<string, Set<string>>();
  const removed: string[] = [];
  for (let act = 0; act < 500; act += 1) {
    const names = [...living.keys()];
    const name = names[Math.floor(next() * names.length)] ?? "";
    const lease = living.get(name);
    const chance = next();
    if (lease === undefined || chance < 0.05) {
      const session = `session${act}`;
      const options = lease === undefined || chance < 0.02 ? {} : { sharesBlobsOf: name };
      living.set(session, await driver.create(session, startRecord(`<${session}>`), options));
      blobs.set(session, new Set(options.sharesBlobsOf === undefined ? [] : blobs.get(name)));
    } else if (chance < 0.1) {
      await driver.release(lease);
      await driver.remove(name);
      living.delete(name);
      removed.push(name);
    } else {
      const size = Math.ceil(next() * (chance < 0.9 ? 60 : 900));
      const blob = `<blob${act}>`;
      await driver.append(lease, stepRecord(`<${name}>`.repeat(size)));
      await driver.putBlobs(name, [marked(blob, Math.ceil(size / 50))]);
      blobs.get(name)?.add(blob);
    }
  }
  const blobsOf = (name: string): readonly string[] => [...(blobs.get(name) ?? [])];
  const kept = [...living.keys()].flatMap(blobsOf);
  const gone = removed.flatMap(blobsOf).filter((blob) => !kept.includes(blob));
  return { kept, gone: gone.concat(removed.map((name) => `<${name}>`)) };
}

/** A small generator that a seed repeats. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

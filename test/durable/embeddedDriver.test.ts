import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { driverContract, noteRecord, startRecord } from "../contracts/driver.ts";
import { MemoryDriver } from "../fakes/memoryDriver.ts";

const root = mkdtempSync(join(tmpdir(), "cairn-driver-"));
after(() => rmSync(root, { recursive: true, force: true }));

const worker = new URL("../../src/durable/storeWorker.ts", import.meta.url);
const key = new Uint8Array(32).fill(7);
let stores = 0;

function newPath(): string {
  stores += 1;
  return join(root, `${stores}.db`);
}

function openStore(path: string, options: { key?: Uint8Array; owner?: string } = {}) {
  return new EmbeddedDriver({ worker, path, key, owner: thisOwner(process.pid), ...options });
}

const embedded = {
  open: async () => openStore(newPath()),
  openTwo: async () => {
    const path = newPath();
    return [openStore(path), openStore(path, { owner: thisOwner(process.ppid) })] as const;
  },
};
driverContract("embedded", embedded);
driverContract("memory", {
  open: async () => new MemoryDriver(),
  openTwo: async () => {
    const first = new MemoryDriver();
    return [first, new MemoryDriver(first)] as const;
  },
});

test("records and blobs are there after the store is closed and opened again", async () => {
  const path = newPath();
  const first = openStore(path);
  const lease = await first.create("one", startRecord());
  await first.append(lease, noteRecord(2));
  const [digest = ""] = await first.putBlobs("one", [new Uint8Array([1, 2, 3])]);
  await first.close();

  const second = openStore(path);
  assert.equal((await second.read("one")).length, 2);
  assert.deepEqual([...((await second.getBlob(digest)) ?? [])], [1, 2, 3]);
  assert.ok((await second.claim("one")).epoch > lease.epoch);
  await second.close();
});

test("a store made with another key can be read but not continued", async () => {
  const path = newPath();
  const stranger = openStore(path, { key: new Uint8Array(32).fill(9) });
  await stranger.release(await stranger.create("one", startRecord()));
  await stranger.close();

  const mine = openStore(path);
  assert.equal((await mine.read("one")).length, 1);
  assert.deepEqual(
    (await mine.list()).map(({ session, readOnly }) => [session, readOnly]),
    [["one", true]],
  );
  assert.match((await mine.problems())[0]?.reason ?? "", /not recorded with this machine's key/);
  await assert.rejects(mine.claim("one"), { code: "store.unverified" });
  await assert.rejects(mine.create("two", startRecord()), { code: "store.unverified" });
  assert.equal(await mine.recall("kept"), null);
  await mine.close();
});

test("a changed record is named, the session is not continued, and others still open", async () => {
  const path = newPath();
  const driver = openStore(path);
  for (const session of ["one", "two"]) {
    const lease = await driver.create(session, startRecord());
    await driver.append(lease, noteRecord(2));
  }
  await driver.close();
  const raw = new DatabaseSync(path);
  raw.exec(`update record_1 set body = replace(body, '"at":2', '"at":3') where seq = 2`);
  raw.close();

  const again = openStore(path);
  await assert.rejects(again.read("one"), /Record 2 of session one is damaged/);
  assert.equal((await again.read("two")).length, 2);
  for (const look of ["first", "second"]) {
    const found = (await again.problems()).map(({ session }) => session);
    assert.deepEqual(found, ["one"], `on the ${look} look`);
  }
  await again.close();
});

test("a lost record in the middle is named", async () => {
  const path = newPath();
  const driver = openStore(path);
  const lease = await driver.create("one", startRecord());
  for (let at = 2; at < 5; at += 1) await driver.append(lease, noteRecord(at));
  await driver.close();
  const raw = new DatabaseSync(path);
  raw.exec("delete from record_1 where seq = 2");
  raw.close();
  const again = openStore(path);
  await assert.rejects(again.read("one"), /Record 2 of session one is damaged: it is missing/);
  await again.close();
});

test("a lost record at the end is named, and the session is not continued without it", async () => {
  const path = newPath();
  const driver = openStore(path);
  const lease = await driver.create("one", startRecord());
  for (let at = 2; at < 5; at += 1) await driver.append(lease, noteRecord(at));
  await driver.close();
  const raw = new DatabaseSync(path);
  raw.exec("delete from record_1 where seq = 4");
  raw.close();
  const again = openStore(path);
  const missing = /Record 4 of session one is damaged: it is missing/;
  await assert.rejects(again.read("one"), missing);
  await assert.rejects(again.claim("one"), missing);
  assert.match((await again.problems())[0]?.reason ?? "", missing);
  await again.close();
});

test("a changed record of a long session is named, wherever it lies", async () => {
  const path = newPath();
  const driver = openStore(path);
  const lease = await driver.create("one", startRecord());
  const records = Array.from({ length: 150 }, async (_, at) =>
    driver.append(lease, noteRecord(1000 + at)),
  );
  await Promise.all(records);
  await driver.close();
  const raw = new DatabaseSync(path);
  for (const seq of [140, 128, 70, 2]) {
    raw.exec(`update record_1 set body = replace(body, '"at":1', '"at":2') where seq = ${seq}`);
    const again = openStore(path);
    await assert.rejects(again.read("one"), new RegExp(`Record ${seq} of session one is damaged`));
    await again.close();
  }
  raw.close();
});

test("records that were changed before a long session went on are not made good by going on", async () => {
  const path = newPath();
  const driver = openStore(path);
  const lease = await driver.create("one", startRecord());
  await driver.append(lease, noteRecord(1000));
  const raw = new DatabaseSync(path);
  raw.exec(`update record_1 set body = replace(body, '"at":1', '"at":2') where seq = 2`);
  raw.close();
  for (let at = 3; at < 70; at += 1) await driver.append(lease, noteRecord(at));
  await assert.rejects(driver.read("one"), /Record 2 of session one is damaged/);
  await driver.close();
});

test("a changed blob is noticed when it is read", async () => {
  const path = newPath();
  const driver = openStore(path);
  await driver.create("one", startRecord());
  const [digest = ""] = await driver.putBlobs("one", [new Uint8Array([1, 2, 3])]);
  await driver.close();
  const raw = new DatabaseSync(path);
  raw.exec("update content_1 set bytes = x'010204'");
  raw.close();
  const again = openStore(path);
  await assert.rejects(again.getBlob(digest), { code: "store.corrupt" });
  await again.close();
});

test("a file that is no store is named and not touched", async () => {
  const path = newPath();
  writeFileSync(path, "this is not a database, but it may be precious".repeat(100));
  const before = readFileSync(path);
  const driver = openStore(path);
  await assert.rejects(driver.list(), { code: "store.corrupt" });
  assert.deepEqual(readFileSync(path), before);
});

test("a session of a killed process is taken over at once, with every record that was acknowledged", async () => {
  const path = newPath();
  const writer = new URL("writer.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [writer, path], { stdio: ["ignore", "pipe", "inherit"] });
  let acknowledged = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    acknowledged = Number(chunk.toString().trim().split("\n").at(-1));
    if (acknowledged > 20) child.kill("SIGKILL");
  });
  await once(child, "exit");

  const driver = openStore(path);
  const lease = await driver.claim("one");
  const records = await driver.read("one");
  assert.ok(records.length >= acknowledged, `${records.length} of ${acknowledged}`);
  await driver.append(lease, noteRecord(1));
  await driver.close();
});

test("a session that another living process holds is refused with a sentence", async () => {
  const path = newPath();
  const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 30000)"]);
  const other = openStore(path, { owner: thisOwner(child.pid ?? 0) });
  await other.create("one", startRecord());
  const mine = openStore(path);
  await assert.rejects(mine.claim("one"), /running in another window or process/);
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal((await mine.claim("one")).epoch, 2);
  await mine.close();
  await other.close();
});

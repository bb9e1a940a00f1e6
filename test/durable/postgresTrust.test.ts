import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { SessionRecord } from "../../src/core/records.ts";
import { PostgresDriver } from "../../src/durable/postgresDriver.ts";
import { noteRecord, startRecord, stepRecord } from "../contracts/records.ts";
import { PostgresServer } from "../harness/postgres.ts";

let server: PostgresServer;
before(async () => {
  server = await PostgresServer.start();
});
after(async () => server.stop());

const key = new Uint8Array(32).fill(7);
const open = (url: string, more: { key?: Uint8Array; leaseMs?: number } = {}): PostgresDriver =>
  new PostgresDriver({ url, key, ...more });

/** A database with the sessions `one` and `two`, of four records each. */
async function twoSessions(): Promise<string> {
  const url = await server.newDatabase();
  const driver = open(url);
  for (const session of ["one", "two"]) {
    const lease = await driver.create(session, startRecord());
    await driver.append(lease, noteRecord(2));
    await driver.append(lease, stepRecord("x".repeat(40_000), { at: 3 }));
    await driver.append(lease, noteRecord(4));
    await driver.putBlobs(session, [Buffer.from(`of ${session}`)]);
  }
  await driver.close();
  return url;
}

const one = "session = (select number from cairn.session where id = 'one')";
const damages = [
  {
    what: "a changed record",
    sql: `update cairn.record set body = replace(body, '"at":2', '"at":7') where ${one} and seq = 2`,
    says: /Record 2 of session one is damaged: it was changed/u,
  },
  {
    what: "a lost record",
    sql: `delete from cairn.record where ${one} and seq = 2`,
    says: /Record 2 of session one is damaged: it is missing/u,
  },
  {
    what: "a lost last record",
    sql: `delete from cairn.record where ${one} and seq = 4`,
    says: /Record 4 of session one is damaged: it is missing/u,
  },
  {
    what: "a cut off end",
    sql: `with gone as (delete from cairn.record where ${one} and seq = 4)
      update cairn.session set records = 3 where id = 'one'`,
    says: /Record 3 of session one is damaged: it was not the last one/u,
  },
  {
    what: "a changed output",
    sql: `update cairn.payload set body = overlay(body placing 'y' from 5) where ${one}`,
    says: /Record 3 of session one is damaged: its output was changed/u,
  },
  {
    what: "a lost output",
    sql: `delete from cairn.payload where ${one}`,
    says: /Record 3 of session one is damaged: its output is missing/u,
  },
  {
    what: "a record of another session",
    sql: `update cairn.record r set body = o.body, mac = o.mac
      from cairn.record o where r.${one} and r.seq = 2 and o.seq = 1 and o.session <> r.session`,
    says: /Record 2 of session one is damaged: it was changed/u,
  },
] as const;

for (const { what, sql, says } of damages) {
  test(`${what} is named, and other sessions are read and continued`, async () => {
    const url = await twoSessions();
    await server.sql(url, sql);
    const driver = open(url);
    await assert.rejects(driver.read("one"), says);
    for (const problems of [
      await driver.problems(),
      await driver.problems(),
      await driver.verify(),
    ]) {
      assert.deepEqual(
        problems.map(({ session }) => session),
        ["one"],
      );
      assert.match(problems[0]?.reason ?? "", says);
    }
    assert.equal((await driver.read("two")).length, 4);
    await driver.append(await driver.claim("two"), noteRecord(5));
    await driver.close();
  });
}

test("an imported session that was made to look like one of ours is found out", async () => {
  const url = await server.newDatabase();
  const driver = open(url);
  await driver.import("one", [startRecord(), noteRecord(2)], []);
  await server.sql(url, "update cairn.session set imported = false");
  await assert.rejects(driver.read("one"), { code: "store.corrupt" });
  await driver.close();
});

test("a session whose end was cut off is not continued", async () => {
  const url = await twoSessions();
  await server.sql(url, `delete from cairn.record where ${one} and seq = 4`);
  const driver = open(url);
  await assert.rejects(driver.claim("one"), { code: "store.corrupt" });
  await driver.close();
});

test("changed content is noticed when it is read, and when all is checked", async () => {
  const url = await twoSessions();
  const driver = open(url);
  const [digest = ""] = await driver.blobsOf("one");
  await server.sql(url, `update cairn.blob set bytes = 'other' where digest = '${digest}'`);
  await assert.rejects(driver.getBlob(digest), { code: "store.corrupt" });
  const reasons = (await driver.verify()).map(({ reason }) => reason);
  assert.deepEqual(reasons, [`The stored content ${digest} is damaged.`]);
  await driver.close();
});

test("a session recorded with another key is read, never continued, never used again", async () => {
  const url = await server.newDatabase();
  const stranger = open(url, { key: new Uint8Array(32).fill(9) });
  const lease = await stranger.create("one", startRecord());
  await stranger.append(lease, stepRecord("theirs", { key: "shared", cache: "workspace" }));
  await stranger.release(lease);
  const mine = open(url);
  assert.equal((await mine.read("one")).length, 2);
  assert.equal((await mine.list())[0]?.readOnly, true);
  await assert.rejects(mine.claim("one"), { code: "store.unverified" });
  assert.equal(await mine.recall("shared"), null);
  assert.match((await mine.problems())[0]?.reason ?? "", /recorded with another key/u);
  await stranger.close();
  await mine.close();
});

test("an outcome that was changed is not used again; the older sound one is", async () => {
  const url = await server.newDatabase();
  const driver = open(url);
  const shared = { key: "shared", cache: "workspace" } as const;
  const older = await driver.create("older", startRecord());
  await driver.append(older, stepRecord("sound", shared));
  const newer = await driver.create("newer", startRecord());
  await driver.append(newer, stepRecord("sound", shared));
  await server.sql(
    url,
    `update cairn.record set body = replace(body, 'sound', 'evil') where seq = 2
      and session = (select number from cairn.session where id = 'newer')`,
  );
  assert.deepEqual(await driver.recall("shared"), { session: "older", output: "sound" });
  await driver.close();
});

test("a removed session leaves no row and no page in any table", async () => {
  const url = await server.newDatabase();
  const driver = open(url);
  const lease = await driver.create("one", startRecord());
  await driver.append(lease, stepRecord("x".repeat(90_000), { key: "k", cache: "workspace" }));
  await driver.putBlobs("one", [Buffer.alloc(300_000, 1)]);
  await driver.release(lease);
  await driver.remove("one");
  for (const table of ["record", "payload", "recall", "blob", "blob_use"]) {
    const [row] = await server.sql(
      url,
      `select count(*)::integer as rows, pg_table_size('cairn.${table}') as bytes,
        pg_relation_size('cairn.${table}')::integer as heap from cairn.${table}`,
    );
    assert.deepEqual([row?.["rows"], row?.["heap"]], [0, 0], table);
  }
  await driver.close();
});

test("a database of a newer Cairn is refused and left as it is", async () => {
  const url = await twoSessions();
  await server.sql(url, "insert into cairn.migration (version) values (99)");
  const driver = open(url);
  await assert.rejects(driver.list(), { code: "store.newer", message: /version 99/u });
  await assert.rejects(driver.create("three", startRecord()), { code: "store.newer" });
  await driver.close();
  assert.equal((await server.sql(url, "select from cairn.session")).length, 2);
});

test("many processes that open an empty database at once make its tables once", async () => {
  const url = await server.newDatabase();
  const drivers = Array.from({ length: 6 }, () => open(url));
  const lists = await Promise.all(drivers.map(async (driver) => driver.list()));
  assert.deepEqual(lists.flat(), []);
  assert.equal((await server.sql(url, "select from cairn.migration")).length, 1);
  for (const driver of drivers) await driver.close();
});

test("a watcher hears of a record of another driver long before it looks again", async () => {
  const url = await server.newDatabase();
  const [writer, watcher] = [open(url), open(url)];
  const lease = await writer.create("one", startRecord());
  const watching = watcher.watch("one", 1, new AbortController().signal);
  const took: number[] = [];
  for (let at = 2; at < 22; at += 1) {
    const next: Promise<IteratorResult<SessionRecord>> = watching.next();
    if (at === 2) await sleep(300);
    const began = performance.now();
    await writer.append(lease, noteRecord(at));
    assert.equal((await next).value.at, at);
    took.push(performance.now() - began);
  }
  const median = took.toSorted((left, right) => left - right)[10] ?? Infinity;
  assert.ok(median < 200, `${median} ms`);
  await writer.close();
  await watcher.close();
});

test("a lease ends with its owner's silence, and the silent owner writes nothing more", async () => {
  const url = await server.newDatabase();
  const [silent, other] = [open(url, { leaseMs: 3_600_000 }), open(url)];
  const lease = await silent.create("one", startRecord());
  await assert.rejects(other.claim("one"), { code: "session.busy" });
  // An hour passes for the database.
  await server.sql(url, "update cairn.owner set alive_until = alive_until - interval '1 hour'");
  const taken = await other.claim("one");
  await assert.rejects(silent.append(lease, noteRecord(2)), { code: "session.lost" });
  await other.append(taken, noteRecord(3));
  assert.deepEqual(
    (await other.read("one")).map(({ at }) => at),
    [1, 3],
  );
  await silent.close();
  await other.close();
});

test("a process ends by itself: at once when it closed its driver, and without closing it", async () => {
  const url = await server.newDatabase();
  const source = new URL("../../src/durable/postgresDriver.ts", import.meta.url).href;
  const record = JSON.stringify(startRecord());
  for (const last of ["await driver.close();", ""]) {
    const program = `
      const { PostgresDriver } = await import("${source}");
      const driver = new PostgresDriver({ url: "${url}", key: new Uint8Array(32) });
      const lease = await driver.create("s${last.length}", ${record});
      await driver.append(lease, { kind: "session.resumed", at: 2, reason: "resume", newShell: false });
      // Until nothing is under way any more.
      await new Promise((resolve) => setTimeout(resolve, 300));
      ${last}`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    assert.deepEqual(await once(child, "exit"), [0, null], last);
  }
});

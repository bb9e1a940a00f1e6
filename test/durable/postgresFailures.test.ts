import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect } from "node:util";
import { CairnError } from "../../src/core/errors.ts";
import type { Lease } from "../../src/core/ports.ts";
import { PostgresDriver } from "../../src/durable/postgresDriver.ts";
import { noteRecord, startRecord, stepRecord } from "../contracts/records.ts";
import { PostgresServer } from "../harness/postgres.ts";
import { PostgresProxy } from "../harness/postgresProxy.ts";

let server: PostgresServer;
let proxy: PostgresProxy;
before(async () => {
  server = await PostgresServer.start();
  proxy = await PostgresProxy.start(server);
});
after(async () => {
  await proxy.stop();
  await server.stop();
});

const key = new Uint8Array(32).fill(7);
const open = (url: string, patienceMs = 5_000): PostgresDriver =>
  new PostgresDriver({ url, key, patienceMs });

async function ats(driver: PostgresDriver, session: string): Promise<readonly number[]> {
  return (await driver.read(session)).map(({ at }) => at);
}

/** Appends this many, one after the other, and gives back which of them were acknowledged. */
async function appendMany(driver: PostgresDriver, lease: Lease, count: number): Promise<number[]> {
  const acknowledged: number[] = [];
  for (let at = 2; at < count + 2; at += 1) {
    const { seq } = await driver.append(lease, noteRecord(at));
    assert.equal(seq, at);
    acknowledged.push(at);
  }
  return acknowledged;
}

test("a server that is away is named with its database, and its password never is", async () => {
  const url = "postgresql://someone:s3cret@127.0.0.1:1/sessions";
  const driver = open(url, 100);
  await assert.rejects(driver.list(), (error: unknown) => {
    assert.ok(CairnError.is(error, "store.unavailable") && error.retryable);
    assert.match(error.message, /database sessions on 127\.0\.0\.1:1 cannot be reached/u);
    assert.doesNotMatch(inspect(error, { depth: 9 }), /s3cret/u);
    return true;
  });
  await driver.close();
});

test("an address that does not read is refused without repeating its password", () => {
  for (const url of ["postgresql://a:s3cret@[host/x", "mysql://a:s3cret@host/x", "s3cret"]) {
    assert.throws(
      () => open(url),
      (error: unknown) =>
        CairnError.is(error, "usage.invalid") && !inspect(error, { depth: 9 }).includes("s3cret"),
    );
  }
});

test("a database that is not there is said at once", async () => {
  const began = performance.now();
  const driver = open(server.url("nowhere"));
  await assert.rejects(driver.list(), { code: "store.unavailable", message: /nowhere/u });
  assert.ok(performance.now() - began < 3_000);
  await driver.close();
});

test("connections that are cut again and again lose no record and write none twice", async () => {
  const url = await server.newDatabase();
  const driver = open(url);
  const lease = await driver.create("one", startRecord());
  const over = new AbortController();
  let cuts = 0;
  const cutting = (async () => {
    while (!over.signal.aborted) {
      const [row] = await server.sql(
        url,
        "select count(pg_terminate_backend(pid)) as cut from pg_stat_activity where application_name = 'cairn'",
      );
      cuts += Number(row?.["cut"]);
    }
  })();
  const acknowledged = await appendMany(driver, lease, 300);
  over.abort();
  await cutting;
  assert.ok(cuts > 5, `${cuts} connections were cut`);
  assert.deepEqual(await ats(driver, "one"), [1, ...acknowledged]);
  await driver.close();
});

for (const mode of ["fast", "immediate"] as const) {
  const how = mode === "fast" ? "stopped" : "crashed";
  test(`a server that is ${how} and started again loses no record and writes none twice`, async () => {
    const driver = open(await server.newDatabase(), 20_000);
    const lease = await driver.create("one", startRecord());
    const appending = appendMany(driver, lease, 400);
    for (let restarts = 0; restarts < 3; restarts += 1) {
      await driver.watch("one", 100 * (restarts + 1), new AbortController().signal).next();
      await server.halt(mode);
      await server.run();
    }
    assert.deepEqual(await ats(driver, "one").then((found) => found.slice(0, 1)), [1]);
    assert.deepEqual([1, ...(await appending)], await ats(driver, "one"));
    await driver.close();
  });
}

for (const what of ["answer", "question"] as const) {
  test(`a record whose ${what} is lost on the way is on record once`, async () => {
    const driver = open(proxy.url(await server.newDatabase()));
    const lease = await driver.create("one", startRecord());
    for (const record of [noteRecord(2), stepRecord("x".repeat(40_000), { at: 3 })]) {
      const cut = proxy.cutNext(what, record.kind === "session.resumed" ? "resumed" : "xxxx");
      const [appended] = await Promise.all([driver.append(lease, record), cut]);
      assert.equal(appended.seq, record.at);
    }
    await driver.append(lease, noteRecord(4));
    assert.deepEqual(await ats(driver, "one"), [1, 2, 3, 4]);
    await driver.close();
  });

  test(`a session whose making, claiming and removing lose their ${what} is made, claimed and removed`, async () => {
    const driver = open(proxy.url(await server.newDatabase()));
    await driver.list();
    let cut = proxy.cutNext(what, "commit");
    const [lease] = await Promise.all([driver.create("one", startRecord()), cut]);
    await assert.rejects(driver.create("one", startRecord()), { code: "usage.invalid" });
    await driver.append(lease, noteRecord(2));
    await driver.release(lease);
    cut = proxy.cutNext(what, "commit");
    const [claimed] = await Promise.all([driver.claim("one"), cut]);
    await assert.rejects(driver.claim("one"), { code: "session.busy" });
    await driver.append(claimed, noteRecord(3));
    assert.deepEqual(await ats(driver, "one"), [1, 2, 3]);
    await driver.release(claimed);
    cut = proxy.cutNext(what, "commit");
    await Promise.all([driver.remove("one"), cut]);
    assert.deepEqual(await driver.list(), []);
    await driver.close();
  });
}

test("a server that stays away stops the writer, who is told later that its record was kept", async () => {
  const driver = open(proxy.url(await server.newDatabase()), 200);
  const lease = await driver.create("one", startRecord());
  const cut = proxy.cutNext("answer", "resumed").then(() => proxy.refuse(true));
  await assert.rejects(driver.append(lease, noteRecord(2)), { code: "store.unavailable" });
  await cut;
  await assert.rejects(driver.append(lease, noteRecord(3)), { code: "store.unavailable" });
  proxy.refuse(false);
  await assert.rejects(driver.append(lease, noteRecord(4)), { code: "session.lost" });
  assert.deepEqual(await ats(driver, "one"), [1, 2]);
  await driver.release(lease);
  const claimed = await driver.claim("one");
  await driver.append(claimed, noteRecord(5));
  assert.deepEqual(await ats(driver, "one"), [1, 2, 5]);
  await driver.close();
});

test("a server that stays away before it heard of a record lets the writer go on later", async () => {
  const driver = open(proxy.url(await server.newDatabase()), 200);
  const lease = await driver.create("one", startRecord());
  const cut = proxy.cutNext("question", "resumed").then(() => proxy.refuse(true));
  await assert.rejects(driver.append(lease, noteRecord(2)), { code: "store.unavailable" });
  await cut;
  proxy.refuse(false);
  await driver.append(lease, noteRecord(3));
  assert.deepEqual(await ats(driver, "one"), [1, 3]);
  await driver.close();
});

test("a database that may not be written to is said, and goes on when it may again", async () => {
  const url = await server.newDatabase();
  const driver = open(url);
  const lease = await driver.create("one", startRecord());
  await driver.close();
  const name = new URL(url).pathname.slice(1);
  await server.sql("postgres", `alter database ${name} set default_transaction_read_only = on`);
  const reader = open(url);
  assert.deepEqual(await ats(reader, "one"), [1]);
  await assert.rejects(reader.claim("one"), { code: "store.unwritable" });
  await server.sql("postgres", `alter database ${name} reset default_transaction_read_only`);
  await reader.close();
  const writer = open(url);
  assert.ok((await writer.claim("one")).epoch > lease.epoch);
  await writer.close();
});

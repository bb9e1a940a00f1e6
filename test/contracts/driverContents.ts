import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { CairnError } from "../../src/core/errors.ts";
import type { DurableDriver } from "../../src/core/ports.ts";
import type { SessionRecord } from "../../src/core/records.ts";
import { noteRecord, startRecord, stepRecord } from "./records.ts";

/** How a driver is opened, each time on a new and empty store. */
export interface DriverMaker {
  readonly open: () => Promise<DurableDriver>;
  /** Two drivers of different living owners on one store. */
  readonly openTwo: () => Promise<readonly [DurableDriver, DurableDriver]>;
}

export const unknown = (error: unknown): boolean =>
  CairnError.is(error, "session.unknown") && error.message.includes("nope");

export const invalid = { code: "usage.invalid" };

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");

export async function textOf(driver: DurableDriver, text: string): Promise<string | null> {
  const bytes = await driver.getBlob(digestOf(text));
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

export async function ats(driver: DurableDriver, session: string): Promise<readonly number[]> {
  return (await driver.read(session)).map((record) => record.at);
}

/** What a driver must do beside remembering records in order: blobs, watching, recalling, removing, importing. */
export function contentsContract(name: string, maker: DriverMaker): void {
  blobContract(name, maker);
  watchContract(name, maker);
  recallContract(name, maker);
  removeContract(name, maker);
  importContract(name, maker);
}

function blobContract(name: string, { open }: DriverMaker): void {
  test(`${name}: a blob is found by its digest, and only once however often it is put`, async () => {
    const driver = await open();
    await driver.create("one", startRecord());
    const digests = await driver.putBlobs("one", [bytesOf("some"), bytesOf("some"), bytesOf("")]);
    assert.deepEqual(digests, [digestOf("some"), digestOf("some"), digestOf("")]);
    assert.deepEqual([await textOf(driver, "some"), await textOf(driver, "")], ["some", ""]);
    assert.equal(await driver.getBlob("0".repeat(64)), null);
    assert.deepEqual(await driver.blobsOf("one"), [digestOf("some"), digestOf("")].toSorted());
    await driver.close();
  });

  test(`${name}: a blob stays until the last session that refers to it is removed`, async () => {
    const driver = await open();
    const one = await driver.create("one", startRecord());
    await driver.putBlobs("one", [bytesOf("of both"), bytesOf("of one")]);
    const two = await driver.create("two", startRecord());
    await driver.putBlobs("two", [bytesOf("of both")]);
    const three = await driver.create("three", startRecord(), { sharesBlobsOf: "two" });
    assert.deepEqual(await driver.blobsOf("three"), [digestOf("of both")]);
    for (const [lease, both] of [
      [one, "of both"],
      [two, "of both"],
      [three, null],
    ] as const) {
      await driver.release(lease);
      await driver.remove(lease.session);
      assert.deepEqual(
        [await textOf(driver, "of both"), await textOf(driver, "of one")],
        [both, null],
      );
    }
    await driver.close();
  });
}

function watchContract(name: string, { openTwo }: DriverMaker): void {
  test(`${name}: watching gives what is there, then every new record, whoever writes it`, async () => {
    const [first, second] = await openTwo();
    const lease = await first.create("one", startRecord());
    await first.append(lease, noteRecord(2));
    const abort = new AbortController();
    const seen: SessionRecord[] = [];
    for await (const record of first.watch("one", 1, abort.signal)) {
      seen.push(record);
      if (record.at === 2) await first.append(lease, noteRecord(3));
      if (record.at === 3) {
        await first.release(lease);
        const taken = await second.claim("one");
        await Promise.all([4, 5].map(async (at) => second.append(taken, noteRecord(at))));
      }
      if (record.at === 5) abort.abort();
    }
    assert.deepEqual(seen, (await second.read("one")).slice(1));
    await first.close();
    await second.close();
  });

  test(`${name}: watching ends without an error when it is aborted or the store is closed`, async () => {
    const [first, second] = await openTwo();
    await first.create("one", startRecord());
    const abort = new AbortController();
    const watched = async (driver: DurableDriver, signal: AbortSignal): Promise<number> => {
      let count = 0;
      for await (const record of driver.watch("one", 0, signal)) {
        count += record.seq;
        if (driver === first) abort.abort();
        else setImmediate(() => void second.close());
      }
      return count;
    };
    const counts = [watched(first, abort.signal), watched(second, new AbortController().signal)];
    assert.deepEqual(await Promise.all(counts), [1, 1]);
    assert.equal(await watched(first, AbortSignal.abort()), 0);
    await first.close();
  });

  test(`${name}: an unknown session cannot be watched`, async () => {
    const [first, second] = await openTwo();
    const watching = first.watch("nope", 0, new AbortController().signal);
    await assert.rejects(watching[Symbol.asyncIterator]().next(), unknown);
    await first.close();
    await second.close();
  });
}

function recallContract(name: string, { open }: DriverMaker): void {
  test(`${name}: the newest outcome kept for the workspace is recalled by its key`, async () => {
    const driver = await open();
    const one = await driver.create("one", startRecord());
    const two = await driver.create("two", startRecord());
    const shared = { key: "shared", cache: "workspace" } as const;
    assert.equal(await driver.recall("shared"), null);
    await driver.append(two, stepRecord("older", shared));
    await driver.append(one, stepRecord("x".repeat(50_000), shared));
    await driver.append(two, stepRecord("served", { ...shared, via: "cache" }));
    await driver.append(two, stepRecord("its own", { key: "own", cache: "session" }));
    await driver.append(two, stepRecord("its own", { key: "own" }));
    assert.deepEqual(await driver.recall("shared"), { session: "one", output: "x".repeat(50_000) });
    assert.equal(await driver.recall("own"), null);
    await driver.release(one);
    await driver.remove("one");
    assert.deepEqual(await driver.recall("shared"), { session: "two", output: "older" });
    await driver.close();
  });
}

function removeContract(name: string, { open, openTwo }: DriverMaker): void {
  test(`${name}: a removed session is gone, and its id can be used again`, async () => {
    const driver = await open();
    const lease = await driver.create("nope", startRecord());
    await driver.putBlobs("nope", [bytesOf("blob")]);
    await driver.release(lease);
    await driver.remove("nope");
    await assert.rejects(driver.read("nope"), unknown);
    assert.deepEqual([await driver.list(), await textOf(driver, "blob")], [[], null]);
    assert.deepEqual([...(await driver.sizes())], []);
    await driver.create("nope", startRecord("another"));
    assert.deepEqual(await driver.blobsOf("nope"), []);
    assert.deepEqual(await ats(driver, "nope"), [1]);
    await driver.close();
  });

  test(`${name}: a session that is held is not removed`, async () => {
    const [first, second] = await openTwo();
    const lease = await first.create("one", startRecord());
    await assert.rejects(first.remove("one"), { code: "session.busy" });
    await assert.rejects(second.remove("one"), { code: "session.busy" });
    await first.append(lease, noteRecord(2));
    await first.release(lease);
    await second.remove("one");
    await assert.rejects(first.append(lease, noteRecord(3)), { code: "session.unknown" });
    await first.close();
    await second.close();
  });
}

function importContract(name: string, { open }: DriverMaker): void {
  const records = [
    startRecord(),
    stepRecord("y".repeat(40_000), { key: "shared", cache: "workspace" }),
    noteRecord(3),
  ];

  test(`${name}: an imported session is read, never continued`, async () => {
    const driver = await open();
    await driver.import("one", records, [bytesOf("blob")]);
    assert.deepEqual(
      await driver.read("one"),
      records.map((record, index) => ({ ...record, session: "one", seq: index + 1 })),
    );
    const [entry] = await driver.list();
    assert.deepEqual([entry?.readOnly, entry?.held, entry?.records], [true, false, 3]);
    assert.deepEqual(await driver.blobsOf("one"), [digestOf("blob")]);
    assert.equal(await textOf(driver, "blob"), "blob");
    await assert.rejects(driver.claim("one"), { code: "session.readOnly" });
    assert.equal(await driver.recall("shared"), null, "it is not ours to be used again");
    assert.deepEqual([await driver.problems(), await driver.verify()], [[], []]);
    await driver.remove("one");
    assert.deepEqual(await driver.list(), []);
    await driver.close();
  });

  test(`${name}: an import that cannot be kept leaves everything as it was`, async () => {
    const driver = await open();
    const lease = await driver.create("one", startRecord());
    await assert.rejects(driver.import("one", records, [bytesOf("blob")]), invalid);
    const broken = [startRecord(), { ...noteRecord(2), at: Number.NaN }];
    await assert.rejects(driver.import("two", broken, [bytesOf("blob")]), invalid);
    await assert.rejects(driver.import("two", [], [bytesOf("blob")]), invalid);
    assert.equal(await textOf(driver, "blob"), null);
    await driver.append(lease, noteRecord(2));
    assert.deepEqual(
      (await driver.list()).map(({ session }) => session),
      ["one"],
    );
    await driver.close();
  });
}

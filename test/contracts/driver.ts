import assert from "node:assert/strict";
import { test } from "node:test";
import { CairnError } from "../../src/core/errors.ts";
import { profiles } from "../../src/core/profile.ts";
import type { DurableDriver } from "../../src/core/ports.ts";
import type { RecordBody } from "../../src/core/records.ts";

/** A session's first record, as small as it may be. */
export function startRecord(goal = "a goal"): RecordBody {
  const profile = profiles["default"];
  assert.ok(profile);
  return {
    kind: "session.started",
    at: 1,
    spec: {
      goal,
      profile,
      model: { name: "m", url: "u", demo: false },
      sandbox: { backend: "embedded", image: null, digest: "d", limits: "" },
      skills: null,
      workspace: "/w",
      replayOf: null,
      version: "0",
    },
  };
}

export function noteRecord(at: number): RecordBody {
  return { kind: "session.resumed", at, reason: "resume", newShell: false };
}

const unknown = (error: unknown): boolean =>
  CairnError.is(error, "session.unknown") && error.message.includes("nope");

/** What every driver must do, whatever it is made of. */
export function driverContract(name: string, open: () => Promise<DurableDriver>): void {
  test(`${name}: records come back in order, numbered from one, without gaps`, async () => {
    const driver = await open();
    const lease = await driver.create("one", startRecord());
    const appended = [];
    for (let at = 2; at <= 5; at += 1) appended.push(await driver.append(lease, noteRecord(at)));
    const read = await driver.read("one");
    assert.deepEqual(
      read.map((record) => [record.session, record.seq, record.at]),
      [1, 2, 3, 4, 5].map((number) => ["one", number, number]),
    );
    assert.deepEqual(read.slice(1), appended);
    assert.deepEqual(await driver.read("one", 3), read.slice(3));
    assert.deepEqual(await driver.read("one", 5), []);
    await driver.close();
  });

  test(`${name}: a session that is held cannot be claimed a second time`, async () => {
    const driver = await open();
    const lease = await driver.create("one", startRecord());
    await assert.rejects(driver.claim("one"), { code: "session.busy" });
    await driver.release(lease);
    const second = await driver.claim("one");
    assert.ok(second.epoch > lease.epoch);
    await driver.close();
  });

  test(`${name}: a writer that was replaced is refused and writes nothing`, async () => {
    const driver = await open();
    const old = await driver.create("one", startRecord());
    await driver.release(old);
    const current = await driver.claim("one");
    await assert.rejects(driver.append(old, noteRecord(2)), { code: "session.lost" });
    await driver.release(old);
    await driver.append(current, noteRecord(3));
    assert.deepEqual(
      (await driver.read("one")).map((record) => record.at),
      [1, 3],
    );
    await driver.close();
  });

  test(`${name}: an unknown session is named in the error`, async () => {
    const driver = await open();
    await assert.rejects(driver.read("nope"), unknown);
    await assert.rejects(driver.claim("nope"), unknown);
    await driver.close();
  });

  test(`${name}: the list is newest first and says how each session stands`, async () => {
    const driver = await open();
    const first = await driver.create("one", startRecord("first"));
    await driver.append(first, noteRecord(2));
    await driver.release(first);
    await driver.create("two", startRecord("second"));
    const list = await driver.list();
    assert.deepEqual(
      list.map(({ session, records, held, last }) => [session, records, held, last.at]),
      [
        ["two", 1, true, 1],
        ["one", 2, false, 2],
      ],
    );
    assert.deepEqual(await driver.problems(), []);
    await driver.close();
  });

  test(`${name}: a blob is found by its digest, and only once however often it is put`, async () => {
    const driver = await open();
    const bytes = new TextEncoder().encode("some bytes");
    const [first = "", second] = await driver.putBlobs([bytes, bytes]);
    assert.equal(first, second);
    const found = await driver.getBlob(first);
    assert.deepEqual(found === null ? null : new Uint8Array(found), bytes);
    assert.equal(await driver.getBlob("0".repeat(64)), null);
    await driver.close();
  });
}

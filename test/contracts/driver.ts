import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import {
  ats,
  bytesOf,
  contentsContract,
  invalid,
  unknown,
  type DriverMaker,
} from "./driverContents.ts";
import { noteRecord, startRecord, stepRecord } from "./records.ts";

export { noteRecord, startRecord, stepRecord };

/** What every driver must do, whatever it is made of. */
export function driverContract(name: string, maker: DriverMaker): void {
  orderContract(name, maker);
  leaseContract(name, maker);
  listContract(name, maker);
  payloadContract(name, maker);
  contentsContract(name, maker);
}

function orderContract(name: string, { open }: DriverMaker): void {
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
    assert.deepEqual(read[0], { ...startRecord(), session: "one", seq: 1 });
    assert.deepEqual(read.slice(1), appended);
    assert.deepEqual(await driver.read("one", 3), read.slice(3));
    assert.deepEqual(await driver.read("one", 5), []);
    assert.deepEqual(await driver.read("one", 50), []);
    await driver.close();
  });

  test(`${name}: records appended at once are numbered in the order of the calls`, async () => {
    const driver = await open();
    const leases = [
      await driver.create("one", startRecord()),
      await driver.create("two", startRecord()),
    ];
    const calls = Array.from({ length: 40 }, async (_, index) => {
      const lease = leases[index % 2];
      assert.ok(lease);
      return driver.append(lease, noteRecord(index));
    });
    const seqs = (await Promise.all(calls)).map(({ seq }) => seq);
    assert.deepEqual(
      seqs,
      Array.from({ length: 40 }, (_, index) => Math.floor(index / 2) + 2),
    );
    const even = Array.from({ length: 20 }, (_, index) => index * 2);
    assert.deepEqual(await ats(driver, "one"), [1, ...even]);
    await driver.close();
  });

  test(`${name}: a long session is read whole, and from any record on`, async () => {
    const driver = await open();
    const lease = await driver.create("one", startRecord());
    const appended = await Promise.all(
      Array.from({ length: 200 }, async (_, index) =>
        driver.append(lease, stepRecord({ text: `${index}` }, { at: index })),
      ),
    );
    const whole = await driver.read("one");
    assert.deepEqual(whole.slice(1), appended);
    for (const after of [1, 63, 64, 65, 127, 128, 200]) {
      assert.deepEqual(await driver.read("one", after), whole.slice(after), `after ${after}`);
    }
    await driver.close();
  });

  test(`${name}: of records appended at once, only those that cannot be kept are refused`, async () => {
    const driver = await open();
    const old = await driver.create("one", startRecord());
    await driver.release(old);
    const current = await driver.claim("one");
    const other = await driver.create("two", startRecord());
    const noNumber = { ...noteRecord(3), at: Number.NaN };
    const outcomes = await Promise.allSettled([
      driver.append(current, noteRecord(2)),
      driver.append(old, noteRecord(9)),
      driver.append(current, noNumber),
      driver.append(other, noteRecord(4)),
      driver.append(current, noteRecord(5)),
    ]);
    assert.deepEqual(
      outcomes.map((outcome) =>
        outcome.status === "fulfilled" ? outcome.value.seq : outcome.reason.code,
      ),
      [2, "session.lost", "usage.invalid", 2, 3],
    );
    assert.deepEqual(
      [await ats(driver, "one"), await ats(driver, "two")],
      [
        [1, 2, 5],
        [1, 4],
      ],
    );
    await driver.close();
  });

  test(`${name}: an unknown session is named in the error`, async () => {
    const driver = await open();
    const calls = [
      driver.read("nope"),
      driver.claim("nope"),
      driver.blobsOf("nope"),
      driver.remove("nope"),
      driver.putBlobs("nope", [bytesOf("x")]),
      driver.create("one", startRecord(), { sharesBlobsOf: "nope" }),
      driver.append({ session: "nope", epoch: 1 }, noteRecord(1)),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      assert.ok(outcome.status === "rejected" && unknown(outcome.reason));
    }
    assert.deepEqual(await driver.list(), []);
    await driver.close();
  });

  test(`${name}: an id that is taken is not made a second time`, async () => {
    const driver = await open();
    const lease = await driver.create("one", startRecord());
    await assert.rejects(driver.create("one", startRecord("again")), invalid);
    await driver.append(lease, noteRecord(2));
    assert.deepEqual(await ats(driver, "one"), [1, 2]);
    await driver.close();
  });
}

function leaseContract(name: string, { open, openTwo }: DriverMaker): void {
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
    assert.deepEqual(await ats(driver, "one"), [1, 3]);
    await driver.close();
  });

  test(`${name}: two owners never write to one session, and the second sees all of the first`, async () => {
    const [first, second] = await openTwo();
    const lease = await first.create("one", startRecord());
    await first.append(lease, noteRecord(2));
    await assert.rejects(second.claim("one"), { code: "session.busy" });
    assert.equal((await second.list())[0]?.held, true);
    await first.release(lease);
    const taken = await second.claim("one");
    await assert.rejects(first.append(lease, noteRecord(3)), { code: "session.lost" });
    await second.append(taken, noteRecord(4));
    assert.deepEqual(await ats(first, "one"), [1, 2, 4]);
    await first.close();
    await second.close();
  });

  test(`${name}: a driver that closes gives its sessions back`, async () => {
    const [first, second] = await openTwo();
    const lease = await first.create("one", startRecord());
    await first.close();
    assert.ok((await second.claim("one")).epoch > lease.epoch);
    await second.close();
  });
}

function listContract(name: string, { open }: DriverMaker): void {
  test(`${name}: the list is newest first and says how each session stands`, async () => {
    const driver = await open();
    const first = await driver.create("one", startRecord("first"));
    await driver.append(first, noteRecord(2));
    await driver.release(first);
    await driver.create("two", startRecord("second"));
    const list = await driver.list();
    assert.deepEqual(
      list.map(({ session, records, held, last, readOnly }) => [
        session,
        records,
        held,
        last.at,
        readOnly,
      ]),
      [
        ["two", 1, true, 1, false],
        ["one", 2, false, 2, false],
      ],
    );
    assert.deepEqual(list[1]?.first, (await driver.read("one"))[0]);
    assert.deepEqual(await driver.problems(), []);
    assert.deepEqual(await driver.verify(), []);
    await driver.close();
  });

  test(`${name}: the sizes say what deleting a session would give back`, async () => {
    const driver = await open();
    await driver.create("one", startRecord());
    await driver.create("two", startRecord());
    const [own, shared] = [randomBytes(5000), randomBytes(7000)];
    await driver.putBlobs("one", [own, shared]);
    await driver.putBlobs("two", [shared]);
    const before = await driver.sizes();
    assert.deepEqual([...before.keys()].toSorted(), ["one", "two"]);
    const [one = 0, two = 0] = [before.get("one"), before.get("two")];
    assert.ok(one > 5000 && one < 5000 + 2000, `${one} bytes`);
    assert.ok(two > 0 && two < 2000, `${two} bytes`);
    await driver.close();
  });
}

function payloadContract(name: string, { open }: DriverMaker): void {
  test(`${name}: a large outcome comes back whole, in a list too, and is kept once`, async () => {
    const driver = await open();
    const lease = await driver.create("one", startRecord());
    const large = { text: `ü\u2028\ud83e\udea8 ${randomBytes(90_000).toString("hex")}`, ok: true };
    const appended = await driver.append(lease, stepRecord(large));
    await driver.append(lease, stepRecord(large, { at: 3 }));
    const read = await driver.read("one");
    assert.deepEqual(read[1], appended);
    assert.deepEqual(read[2], { ...stepRecord(large, { at: 3 }), session: "one", seq: 3 });
    assert.deepEqual((await driver.list())[0]?.last, read[2]);
    const once = Buffer.byteLength(JSON.stringify(large));
    const size = (await driver.sizes()).get("one") ?? 0;
    // The store may pack it, to no less than the chance that is in it.
    assert.ok(size >= once / 2 && size < once * 1.3, `${size} bytes for ${once}`);
    assert.deepEqual(await driver.blobsOf("one"), [], "an outcome is part of its record");
    assert.deepEqual(await driver.verify(), []);
    await driver.close();
  });

  test(`${name}: a record is what it was when it was appended, whatever is changed later`, async () => {
    const driver = await open();
    const lease = await driver.create("one", startRecord());
    const output = { text: "before" };
    const pending = driver.append(lease, stepRecord(output));
    output.text = "after";
    await pending;
    const [, record] = await driver.read("one");
    assert.deepEqual(record?.kind === "step.completed" ? record.output : null, { text: "before" });
    await driver.close();
  });
}

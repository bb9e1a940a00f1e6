import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { CairnError } from "../../src/core/errors.ts";
import { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { packRecord } from "../../src/durable/packRecord.ts";
import { SqliteStore } from "../../src/durable/sqliteStore.ts";
import { noteRecord, startRecord } from "../contracts/records.ts";

const root = mkdtempSync(join(tmpdir(), "cairn-lease-"));
after(() => rmSync(root, { recursive: true, force: true }));

const key = new Uint8Array(32).fill(7);
const leaseMs = 1000;

/** Two owners on one store, who are never known to be dead, and the clock of their machine. */
function twoStores(name: string): {
  first: SqliteStore;
  second: SqliteStore;
  clock: { now: number };
} {
  const clock = { now: 5_000_000 };
  const options = { path: join(root, name), key, leaseMs, now: () => clock.now, dead: () => false };
  const first = new SqliteStore({ ...options, owner: "first" });
  const second = new SqliteStore({ ...options, owner: "second" });
  return { first, second, clock };
}

const { packed } = packRecord(startRecord());

test("a lease holds for its length, and longer only when it is renewed", () => {
  const { first, second, clock } = twoStores("length.db");
  first.create("one", packed, {});
  clock.now += leaseMs - 1;
  assert.throws(() => second.claim("one"), { code: "session.busy" });
  first.renew();
  clock.now += leaseMs - 1;
  assert.throws(() => second.claim("one"), { code: "session.busy" });
  clock.now += 1;
  assert.equal(second.claim("one").epoch, 2);
  first.close();
  second.close();
});

test("a lease of another boot of the machine is over", () => {
  const { first, second, clock } = twoStores("boot.db");
  first.create("one", packed, {});
  clock.now = 1000;
  assert.equal(second.claim("one").epoch, 2);
  first.close();
  second.close();
});

test("an owner that lost its lease renews and gives back nothing", () => {
  const { first, second, clock } = twoStores("lost.db");
  const lease = first.create("one", packed, {});
  clock.now += leaseMs;
  second.claim("one");
  clock.now += leaseMs / 2;
  first.renew();
  first.release(lease);
  assert.throws(() => first.claim("one"), { code: "session.busy" });
  clock.now += leaseMs / 2;
  assert.equal(first.claim("one").epoch, 3);
  first.close();
  second.close();
});

test("an owner that is stopped past its lease loses the session, and woken writes nothing", async () => {
  const path = join(root, "stopped.db");
  const worker = new URL("../../src/durable/storeWorker.ts", import.meta.url);
  const driver = new EmbeddedDriver({ worker, path, key, owner: thisOwner(process.pid), leaseMs });
  await driver.release(await driver.create("one", startRecord()));
  const writer = new URL("stoppedWriter.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [writer, path, String(leaseMs)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const said = async (): Promise<string> => String((await lines.next()).value);
  try {
    assert.equal(await said(), "claimed");
    child.stdin.write("2\n");
    assert.equal(await said(), "2");
    // Longer than a lease: it is renewed by an owner that runs.
    await delay(leaseMs * 1.5);
    await assert.rejects(driver.claim("one"), { code: "session.busy" });

    child.kill("SIGSTOP");
    child.stdin.write("3\n");
    const lease = await untilClaimed(driver);
    await driver.append(lease, noteRecord(3));
    child.kill("SIGCONT");
    assert.equal(await said(), "session.lost");
    await driver.append(lease, noteRecord(4));
    assert.deepEqual(
      (await driver.read("one")).map(({ at }) => at),
      [1, 2, 3, 4],
    );
    child.stdin.end();
    await once(child, "exit");
  } finally {
    child.kill("SIGKILL");
    await driver.close();
  }
});

async function untilClaimed(driver: EmbeddedDriver): Promise<{ session: string; epoch: number }> {
  const began = performance.now();
  for (;;) {
    try {
      return await driver.claim("one");
    } catch (error) {
      if (!CairnError.is(error, "session.busy") || performance.now() - began > 5000) throw error;
      await delay(50);
    }
  }
}

import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { recordBody } from "../../src/core/records.ts";
import { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { schemaVersion } from "../../src/durable/storeSchema.ts";
import { noteRecord, startRecord, stepRecord } from "../contracts/records.ts";

const root = mkdtempSync(join(tmpdir(), "cairn-golden-"));
after(() => rmSync(root, { recursive: true, force: true }));
const golden = new URL("golden/", import.meta.url);
const versions = readdirSync(golden).filter((name) => name.endsWith(".db"));

function copyOf(name: string): string {
  const path = join(root, name);
  copyFileSync(new URL(name, golden), path);
  return path;
}

function openStore(path: string): EmbeddedDriver {
  const worker = new URL("../../src/durable/storeWorker.ts", import.meta.url);
  const key = new Uint8Array(32).fill(7);
  return new EmbeddedDriver({ worker, path, key, owner: thisOwner(process.pid) });
}

test("there is a golden store of every schema version", () => {
  const names = Array.from({ length: schemaVersion }, (_, index) => `v${index + 1}.db`);
  assert.deepEqual(versions.toSorted(), names);
});

for (const name of versions) {
  test(`a store of ${name} opens, verifies and goes on`, async () => {
    const path = copyOf(name);
    const driver = openStore(path);
    const before = await driver.read("golden");
    for (const { session, seq, ...body } of before) {
      assert.deepEqual(recordBody.parse(body), body, `record ${seq} of ${session} as of today`);
    }
    assert.equal((await driver.list()).at(-1)?.records, before.length);
    assert.deepEqual([await driver.problems(), await driver.verify()], [[], []]);
    const wait = before.find((record) => record.kind === "wait.opened");
    assert.equal(wait?.waitKind, "text");
    const [blob = ""] = await driver.blobsOf("golden");
    assert.match(new TextDecoder().decode((await driver.getBlob(blob)) ?? undefined), /^a blob of/);

    const lease = await driver.claim("golden");
    const large = stepRecord("z".repeat(40_000), { key: "new", cache: "workspace" });
    await driver.append(lease, large);
    await driver.close();

    const again = openStore(path);
    const { output } = large;
    assert.deepEqual(await again.recall("new"), { session: "golden", output });
    assert.deepEqual((await again.read("golden")).slice(0, -1), before);
    await again.create("another", startRecord(), { sharesBlobsOf: "golden" });
    await again.remove("golden");
    assert.notEqual(await again.getBlob(blob), null, "another session shares it");
    assert.deepEqual(await again.verify(), []);
    await again.close();
  });
}

test("a store of the newest version has sessions, shared content and imports as it was written", async () => {
  const driver = openStore(copyOf(`v${schemaVersion}.db`));
  const large = { text: "a large output ".repeat(3000), ok: true };
  assert.deepEqual(
    (await driver.list()).map(({ session, readOnly }) => [session, readOnly]),
    [
      ["imported", true],
      ["fork", false],
      ["golden", false],
    ],
  );
  assert.deepEqual(await driver.recall("kept"), { session: "golden", output: large });
  assert.deepEqual(await driver.blobsOf("fork"), await driver.blobsOf("golden"));
  await assert.rejects(driver.claim("imported"), { code: "session.readOnly" });
  await driver.close();
});

test("sessions of version 1 keep their files until the last of them is removed", async () => {
  const path = copyOf("v1.db");
  const raw = new DatabaseSync(path);
  raw.exec(`insert into session (id, owner, lease_until, epoch) values ('second', null, 0, 1);
    insert into record select id + ${2 ** 32}, body, mac from record where id = ${2 ** 32 + 1}`);
  raw.close();
  const driver = openStore(path);
  const [blob = ""] = await driver.blobsOf("golden");
  assert.deepEqual(await driver.blobsOf("second"), [blob]);
  const found = await driver.problems();
  assert.deepEqual(
    found.map(({ session }) => session),
    ["second"],
    "a record that was moved to another session does not verify there",
  );
  await driver.remove("golden");
  assert.notEqual(await driver.getBlob(blob), null);
  await driver.remove("second");
  assert.equal(await driver.getBlob(blob), null);
  await driver.close();
});

test("a store of a newer version is named and not touched", async () => {
  const path = copyOf("v1.db");
  const raw = new DatabaseSync(path);
  raw.exec(`pragma user_version = ${schemaVersion + 1}`);
  raw.close();
  const before = readFileSync(path);
  const driver = openStore(path);
  await assert.rejects(driver.list(), { code: "store.newer" });
  await assert.rejects(driver.create("one", noteRecord(1)), { code: "store.newer" });
  await driver.close();
  assert.deepEqual(readFileSync(path), before);
});

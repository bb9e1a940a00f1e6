import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { JsonValue } from "../../src/core/records.ts";
import { exportBundle, importBundle } from "../../src/bundle/bundle.ts";
import { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { noteRecord, startRecord, stepRecord } from "../contracts/records.ts";
import { all, each, github, made, redactionOf } from "./bundles.ts";

const root = mkdtempSync(join(tmpdir(), "cairn-bundle-"));
after(() => rmSync(root, { recursive: true, force: true }));

function openStore(name: string, byte: number): EmbeddedDriver {
  return new EmbeddedDriver({
    worker: new URL("../../src/durable/storeWorker.ts", import.meta.url),
    path: join(root, name),
    key: new Uint8Array(32).fill(byte),
    owner: thisOwner(process.pid),
  });
}

const exporting = { ...made, redaction: redactionOf([]) };

test("a session goes from one store on a disk to another, with its large outputs, and back to the same bundle", async () => {
  const [here, there] = [openStore("here.db", 1), openStore("there.db", 2)];
  try {
    const odd: JsonValue = JSON.parse('{"__proto__":{"x":1},"b":[1e300,-0],"2":"","1":"\\ud800"}');
    const lease = await here.create("one", startRecord(`use ${github}`));
    await here.append(lease, stepRecord("x".repeat(100_000)));
    await here.append(lease, stepRecord(`${"y ".repeat(50_000)} ${github}`));
    await here.append(lease, stepRecord(odd));
    await here.putBlobs("one", [Buffer.from("a file"), Buffer.from(github)]);
    await here.release(lease);
    const lines = await all(exportBundle(here, "one", exporting));

    const summary = { session: "one", records: 4, blobs: 1, leftOut: 1 };
    assert.deepEqual(await importBundle(there, each(lines)), summary);
    assert.deepEqual(await there.verify(), []);
    assert.deepEqual(
      (await there.list()).map(({ session, readOnly }) => ({ session, readOnly })),
      [{ session: "one", readOnly: true }],
    );
    await assert.rejects(there.claim("one"), { code: "session.readOnly" });
    assert.deepEqual(await all(exportBundle(there, "one", exporting)), lines);

    const own = await there.create("two", startRecord());
    await there.append(own, noteRecord(2));
    await assert.rejects(importBundle(there, each(lines)), { code: "usage.invalid" });
    assert.equal((await there.read("one")).length, 4);
    await there.remove("one");
    assert.deepEqual(await there.verify(), []);
    assert.deepEqual(await importBundle(there, each(lines)), summary);
  } finally {
    await here.close();
    await there.close();
  }
});

import { rmSync } from "node:fs";
import { EmbeddedDriver } from "../../../src/durable/embeddedDriver.ts";
import { schemaVersion } from "../../../src/durable/storeSchema.ts";
import { noteRecord, startRecord, stepRecord } from "../../contracts/records.ts";

/** Makes the golden store of the schema version that this code writes. */
const path = new URL(`v${schemaVersion}.db`, import.meta.url).pathname;
rmSync(path, { force: true });
const driver = new EmbeddedDriver({
  worker: new URL("../../../src/durable/storeWorker.ts", import.meta.url),
  path,
  key: new Uint8Array(32).fill(7),
  owner: "golden/1/1",
});
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const large = { text: "a large output ".repeat(3000), ok: true };

const lease = await driver.create("golden", startRecord(`a goal of version ${schemaVersion}`));
await driver.append(lease, stepRecord({ text: "exit 0", ok: true }, { at: 2 }));
await driver.append(lease, stepRecord(large, { at: 3, key: "kept", cache: "workspace" }));
await driver.append(lease, stepRecord(large, { at: 4 }));
await driver.append(lease, {
  kind: "wait.opened",
  at: 5,
  wait: "turn/1/tool/q/answer",
  waitKind: "text",
  question: "Go on?",
  subject: { kind: "question", question: "Go on?", choices: ["yes"] },
  digest: "w".repeat(64),
});
await driver.putBlobs("golden", [text(`a blob of version ${schemaVersion}`)]);
await driver.release(lease);
const fork = await driver.create("fork", startRecord("a fork"), { sharesBlobsOf: "golden" });
await driver.release(fork);
await driver.import(
  "imported",
  [startRecord("of another machine"), noteRecord(2)],
  [text("theirs")],
);
await driver.close();

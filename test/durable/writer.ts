import { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { noteRecord, startRecord } from "../contracts/driver.ts";

/** A process that appends until it is killed, and prints each number once it is acknowledged. */
const [path = ""] = process.argv.slice(2);
const driver = new EmbeddedDriver({
  worker: new URL("../../src/durable/storeWorker.ts", import.meta.url),
  path,
  key: new Uint8Array(32).fill(7),
  owner: thisOwner(process.pid),
});
const lease = await driver.create("one", startRecord());
for (let at = 2; at < 100_000; at += 1) {
  await driver.append(lease, noteRecord(at));
  process.stdout.write(`${at}\n`);
}

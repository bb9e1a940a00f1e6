import { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { noteRecord } from "../contracts/records.ts";

/** A process that holds a session, says so, and appends a record for each line it is sent. */
const [path = "", leaseMs = ""] = process.argv.slice(2);
const driver = new EmbeddedDriver({
  worker: new URL("../../src/durable/storeWorker.ts", import.meta.url),
  path,
  key: new Uint8Array(32).fill(7),
  owner: thisOwner(process.pid),
  leaseMs: Number(leaseMs),
});
const lease = await driver.claim("one");
process.stdout.write("claimed\n");
for await (const line of process.stdin) {
  try {
    const { seq } = await driver.append(lease, noteRecord(Number(String(line))));
    process.stdout.write(`${seq}\n`);
  } catch (error) {
    process.stdout.write(
      `${error instanceof Error && "code" in error ? String(error.code) : ""}\n`,
    );
  }
}
await driver.close();

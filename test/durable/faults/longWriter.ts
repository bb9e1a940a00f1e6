import { CairnError } from "../../../src/core/errors.ts";
import type { DurableDriver, Lease } from "../../../src/core/ports.ts";
import { stepRecord } from "../../contracts/records.ts";
import { openStore } from "./openStore.ts";
import { say } from "./say.ts";

/**
 * A process that goes on with a session until it is killed: one to three records at once, small
 * and large, each signed with its number and this process, and printed when it is acknowledged.
 */
const [built = "", directory = "", session = ""] = process.argv.slice(2);
const largest = 60_000;

async function takeOver(driver: DurableDriver): Promise<Lease> {
  try {
    return await driver.claim(session);
  } catch (error) {
    if (!CairnError.is(error, "session.unknown")) throw error;
    return driver.create(session, stepRecord("", { at: 1, key: `${process.pid} 1` }));
  }
}

const driver = openStore(built, directory);
const lease = await takeOver(driver);
let next = (await driver.read(session)).length + 1;

async function append(seq: number): Promise<void> {
  const output = "x".repeat((seq * 7919) % (seq % 10 === 0 ? largest : 2000));
  await driver.append(lease, stepRecord(output, { at: seq, key: `${process.pid} ${seq}` }));
  say(`${seq} ${process.pid}\n`);
}

for (;;) {
  const together = 1 + (next % 3);
  await Promise.all(Array.from({ length: together }, async (_, index) => append(next + index)));
  next += together;
}

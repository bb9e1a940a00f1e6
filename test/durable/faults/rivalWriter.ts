import { setTimeout as delay } from "node:timers/promises";
import { CairnError } from "../../../src/core/errors.ts";
import type { DurableDriver, Lease } from "../../../src/core/ports.ts";
import { stepRecord } from "../../contracts/records.ts";
import { openStore } from "./openStore.ts";
import { say } from "./say.ts";

/**
 * A process that wants to bring one session to a number of records, whoever else wants it too. It
 * prints `claimed`, the number of each record that was acknowledged, the code of each
 * refusal, that of a lease once in a row, and `done`.
 */
const [built = "", directory = "", leaseMs = "", target = ""] = process.argv.slice(2);
const driver = openStore(built, directory, { leaseMs: Number(leaseMs) });
const codes = new Set(["session.busy", "session.lost", "store.unwritable"]);
let lastRefusal = "";

async function claim(): Promise<Lease> {
  try {
    return await driver.claim("one");
  } catch (error) {
    if (!CairnError.is(error, "session.unknown")) throw error;
    return driver.create("one", stepRecord("", { at: 1, key: `${process.pid} 1` }));
  }
}

/** Appends until the target is reached; true when it is. */
async function goOn(writer: DurableDriver): Promise<boolean> {
  try {
    const lease = await claim();
    say("claimed\n");
    let next = (await writer.read("one")).length + 1;
    for (; next <= Number(target); next += 1) {
      const key = `${process.pid} ${next}`;
      await writer.append(lease, stepRecord("x".repeat(500), { at: next, key }));
      lastRefusal = "";
      say(`${String(next)}\n`);
      await delay(2);
    }
    await writer.release(lease);
    return true;
  } catch (error) {
    if (!CairnError.is(error) || !codes.has(error.code)) throw error;
    if (error.code !== lastRefusal || error.code === "store.unwritable") say(`${error.code}\n`);
    lastRefusal = error.code;
    return false;
  }
}

while (!(await goOn(driver))) await delay(20);
await driver.close();
say("done\n");

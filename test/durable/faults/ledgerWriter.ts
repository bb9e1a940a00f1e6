import { driveLedger } from "./driveLedger.ts";
import { openStore } from "./openStore.ts";
import { WorkLog } from "./workLog.ts";
import { say } from "./say.ts";

/**
 * A process that drives the ledger session from wherever it stands to its end. It prints a line
 * when it starts and one for each record.
 */
const [built = "", directory = "", log = ""] = process.argv.slice(2);
say("started\n");
const driver = openStore(built, directory);
const session = await driveLedger(driver, new WorkLog(log), () => say("record\n"));
await driver.close();
if (session.view.status !== "completed") {
  throw new Error(JSON.stringify(session.view.ended?.failure));
}

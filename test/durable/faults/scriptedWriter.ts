import { appendFileSync } from "node:fs";
import { IoFaults } from "./ioFaults.ts";
import { openStore } from "./openStore.ts";
import { runAct } from "./script.ts";

/**
 * A process that does one act of the script. When an operation is acknowledged it notes its name
 * and how many moments safe from a power cut there were so far.
 */
const [built = "", directory = "", act = "", noted = ""] = process.argv.slice(2);
const faults = new IoFaults(process.env["CAIRN_FAULT_CONTROL"] ?? "");
await runAct(act === "1" ? 1 : 2, openStore(built, directory), async (name, work) => {
  await work();
  appendFileSync(noted, `${name},${faults.syncs}\n`);
});

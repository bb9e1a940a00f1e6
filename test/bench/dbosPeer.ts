import { createInterface } from "node:readline";
import { DBOS } from "@dbos-inc/dbos-sdk";

/**
 * Steps of DBOS on PostgreSQL, in one workflow a line. Reads how many steps to do as lines, and
 * answers each with what they took in ms.
 */
const [url = "", size = ""] = process.argv.slice(2);
const payload = "x".repeat(Number(size));

DBOS.setConfig({ name: "bench", systemDatabaseUrl: url, logLevel: "error" });
const work = DBOS.registerWorkflow(
  async (steps: number) => {
    const took: number[] = [];
    for (let step = 0; step < steps; step += 1) {
      const began = performance.now();
      await DBOS.runStep(async () => payload, { name: `step ${step}` });
      took.push(performance.now() - began);
    }
    return took;
  },
  { name: "work" },
);
await DBOS.launch();
for await (const line of createInterface({ input: process.stdin })) {
  const handle = await DBOS.startWorkflow(work)(Number(line));
  process.stdout.write(`${JSON.stringify(await handle.getResult())}\n`);
}
await DBOS.shutdown();

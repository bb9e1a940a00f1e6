import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { namedProfile } from "../../src/core/profile.ts";
import { demoGoal } from "../../src/core/sessions.ts";
import { Engine } from "../../src/engine.ts";

/**
 * Parks one demo session after another at its question, in a process of its own, and says after
 * each how many megabytes the process has: the first number is that of the process without any.
 */
const [folder = "", count = "0"] = process.argv.slice(2);

const workspace = join(folder, "workspace");
mkdirSync(folder, { recursive: true });
cpSync("media/demo", workspace, { recursive: true });
const engine = new Engine({
  workspace,
  dist: new URL("../../dist/", import.meta.url),
  shippedSkills: "skills",
  version: "bench",
  image: "none",
  dockerSocket: null,
  environment: { CAIRN_HOME: join(folder, "home") },
  apiKey: async () => null,
  log: () => {},
  onRecord: () => {},
});
const megabytes: number[] = [];

// What every process loads once is not a session's: one has come and gone before the first count.
await park();
for (const { session } of await engine.list()) {
  await engine.cancel(session, { user: "bench", surface: "cli" });
}
megabytes.push(await settled());
for (let session = 0; session < Number(count); session += 1) {
  await park();
  megabytes.push(await settled());
}
process.stdout.write(`${JSON.stringify(megabytes)}\n`);
await engine.close();
rmSync(folder, { recursive: true, force: true });

async function park(): Promise<void> {
  const run = await engine.start({
    prompts: [demoGoal],
    profile: namedProfile("default"),
    model: { demo: true },
    sandbox: "embedded",
    skills: null,
  });
  const status = await run.done;
  if (status !== "waiting") throw new Error(`the demo is ${status}`);
}

async function settled(): Promise<number> {
  // An idle shell has let go of its thread by then.
  await sleep(3500);
  for (let pass = 0; pass < 3; pass += 1) {
    globalThis.gc?.();
    await sleep(50);
  }
  return process.memoryUsage().rss / 1024 / 1024;
}

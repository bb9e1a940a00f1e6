import { appendFileSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { CairnError } from "../../src/core/errors.ts";
import type { Lease } from "../../src/core/ports.ts";
import { DbosWorkers } from "../../src/durable/dbosWorkers.ts";
import { PostgresDriver } from "../../src/durable/postgresDriver.ts";
import { stepRecord } from "../contracts/records.ts";

/**
 * A worker process: sessions of eight steps with a question after the fourth. Says what it does.
 * The third step of session `one` takes long when it is done for the first time.
 */
const [url = "", effects = "", leaseMs = "", longMs = ""] = process.argv.slice(2);
const steps = 8;
const waitAfter = 4;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const driver = new PostgresDriver({
  url,
  key: new Uint8Array(32).fill(7),
  leaseMs: Number(leaseMs),
});
const workers = new DbosWorkers({
  url,
  owner: driver.owner,
  lookMs: 250,
  log: (line) => void process.stderr.write(`${line}\n`),
});

async function drive(session: string, signal: AbortSignal): Promise<void> {
  const lease = await driver.claim(session);
  try {
    await run(lease, signal);
  } catch (error) {
    if (CairnError.is(error, "session.lost")) say(`lost ${session}`);
    throw error;
  } finally {
    await driver.release(lease);
  }
}

async function run(lease: Lease, signal: AbortSignal): Promise<void> {
  const { session } = lease;
  const records = await driver.read(session);
  const has = (kind: string): boolean => records.some((record) => record.kind === kind);
  const done = new Set(records.map((record) => ("step" in record ? record.step : "")));
  if (has("session.ended")) return;
  for (let number = 1; number <= steps; number += 1) {
    const step = `step/${number}`;
    if (!done.has(step)) {
      if (signal.aborted) return;
      appendFileSync(effects, `${session} ${step} ${process.pid}\n`);
      const first = readFileSync(effects, "utf8").split("one step/3 ").length === 2;
      say(`begin ${session} ${number}`);
      await sleep(first && session === "one" && number === 3 ? Number(longMs) : 40);
      await driver.append(lease, { ...stepRecord({ number }), step });
    }
    if (number !== waitAfter || has("wait.answered")) continue;
    if (!has("wait.opened")) await driver.append(lease, question);
    say(`parked ${session}`);
    return;
  }
  await driver.append(lease, {
    kind: "session.ended",
    at: 1,
    status: "completed",
    output: "",
    failure: null,
    denied: 0,
  });
  say(`ended ${session}`);
}

const question = {
  kind: "wait.opened",
  at: 1,
  wait: "wait/go",
  waitKind: "gate",
  question: "Go on?",
  subject: { kind: "form", about: null, schema: null },
  digest: "d",
} as const;

process.once("SIGTERM", () => {
  void (async () => {
    await workers.close();
    await driver.close();
    say("closed");
  })();
});
await workers.work({ drive });
say("ready");

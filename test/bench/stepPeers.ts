import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Flow } from "../../src/core/flow.ts";
import { FlowRun } from "../../src/core/flowRun.ts";
import { toolOutput, type RecordBody } from "../../src/core/records.ts";
import { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { startRecord } from "../contracts/records.ts";
import { fakeWorld } from "../fakes/fakeWorld.ts";
import { MemoryAudit } from "../fakes/memoryAudit.ts";
import { PostgresServer } from "../harness/postgres.ts";
import { installLanggraph } from "./langgraphInstall.ts";
import { median, ratioAtMost, type Measure, type Metric } from "./metric.ts";
import { Peer } from "./peer.ts";
import { Secrets } from "../../src/redaction/secrets.ts";

const rounds = 12;
const stepsARound = 40;
const size = 1_000;

/**
 * A durable step of ours against one of DBOS on PostgreSQL and one of LangGraph on SQLite: outputs
 * of one kilobyte, the same disk, every step on disk before the next begins, in turns.
 */
export const stepPeers: Measure = async () => {
  const folder = mkdtempSync(join(process.cwd(), "out", "bench-"));
  const { folder: peers, node } = await installLanggraph();
  const server = await PostgresServer.start();
  const url = await server.newDatabase();
  const dbos = Peer.start(process.execPath, [script("dbosPeer.ts"), url, `${size}`]);
  const database = join(folder, "langgraph.db");
  const langgraph = Peer.start(node, [script("langgraphPeer.mjs"), peers, database, `${size}`]);
  const own = await ownSteps(folder);
  const took = { own: [0].slice(1), dbos: [0].slice(1), langgraph: [0].slice(1) };
  try {
    // The first round loads and compiles; it is not counted.
    for (let round = 0; round <= rounds; round += 1) {
      const figures = {
        own: await own.steps(stepsARound),
        dbos: await dbos.steps(stepsARound),
        langgraph: await langgraph.steps(stepsARound),
      };
      if (round === 0) continue;
      took.own.push(...figures.own);
      took.dbos.push(...figures.dbos);
      took.langgraph.push(...figures.langgraph);
    }
    const ours = median(took.own);
    const floor = median(own.raw.slice(stepsARound));
    return {
      "step.ratio": ratioAtMost(ours, floor, { unit: "ms", target: 2 }),
      "step.vs.dbos": timesLess(ours, median(took.dbos), 8),
      "step.vs.langgraph": timesLess(ours, median(took.langgraph), 5),
    };
  } finally {
    await own.stop();
    await dbos.stop();
    await langgraph.stop();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
};

function script(name: string): string {
  return new URL(name, import.meta.url).pathname;
}

/** Steps of a flow on the embedded store, each beside a raw append and sync of the bytes that it recorded. */
async function ownSteps(folder: string): Promise<OwnSteps> {
  const driver = new EmbeddedDriver({
    worker: new URL("../../dist/storeWorker.cjs", import.meta.url),
    path: join(folder, "sessions.db"),
    key: new Uint8Array(32),
    owner: thisOwner(process.pid),
  });
  const file = openSync(join(folder, "floor"), "a");
  const lease = await driver.create("bench", startRecord());
  let recorded: RecordBody | null = null;
  const flow = new Flow(
    new FlowRun({
      session: "bench",
      world: fakeWorld(),
      audit: new MemoryAudit(),
      signal: new AbortController().signal,
      append: async (body) => {
        recorded = body;
        await driver.append(lease, body);
      },
      redactor: new Secrets().persisted,
      history: [],
    }),
  );
  const output = { text: "x".repeat(size), ok: true };
  const spec = { output: toolOutput, inputs: { tree: "0".repeat(64) } };
  const raw: number[] = [];
  let number = 0;
  const steps = async (count: number): Promise<readonly number[]> => {
    const took: number[] = [];
    for (let step = 0; step < count; step += 1) {
      number += 1;
      const began = performance.now();
      await flow.step(`step/${number}`, spec, async () => output);
      took.push(performance.now() - began);
      const bytes = JSON.stringify(recorded);
      const between = performance.now();
      writeSync(file, bytes);
      fdatasyncSync(file);
      raw.push(performance.now() - between);
    }
    return took;
  };
  const stop = async (): Promise<void> => {
    closeSync(file);
    await driver.close();
  };
  return { steps, raw, stop };
}

interface OwnSteps {
  readonly steps: (count: number) => Promise<readonly number[]>;
  /** What each raw append took, in turns with the steps. */
  readonly raw: readonly number[];
  readonly stop: () => Promise<void>;
}

/** How many times less ours takes: the value is ours, the floor theirs, the ratio theirs over ours. */
function timesLess(ours: number, theirs: number, target: number): Metric {
  const ratio = Number((theirs / ours).toFixed(2));
  return {
    value: Number(ours.toFixed(3)),
    unit: "ms",
    floor: Number(theirs.toFixed(3)),
    ratio,
    target: `>= ${target}x less`,
    pass: ratio >= target,
  };
}

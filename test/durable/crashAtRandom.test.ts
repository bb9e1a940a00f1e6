import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { buildWriters } from "./faults/builtWriters.ts";
import { openStore } from "./faults/openStore.ts";
import { seededRandom } from "./faults/seededRandom.ts";

/** In each of two tests, so that none is long. */
const kills = 100;
/** After so many kills a writer goes on with a new session, so that reading does not take over. */
const killsPerSession = 10;
const longestLifeMs = 25;

const root = mkdtempSync(join(tmpdir(), "cairn-random-"));
after(() => rmSync(root, { recursive: true, force: true }));
await buildWriters(root);
const seed = Number(process.env["CAIRN_TEST_SEED"] ?? Date.now() % 2 ** 31);

interface Acknowledged {
  readonly session: string;
  readonly seq: number;
  readonly pid: number;
}

/** Lets a writer go on with a session for a while, and kills it; returns what it was told. */
async function writeUntilKilled(
  directory: string,
  session: string,
  lifeMs: number,
): Promise<readonly Acknowledged[]> {
  const child = spawn(process.execPath, [join(root, "longWriter.mjs"), root, directory, session], {
    env: { ...process.env, NODE_COMPILE_CACHE: join(root, "cache") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const closed = once(child, "close");
  await Promise.race([once(child.stdout, "data"), closed]);
  await delay(lifeMs);
  child.kill("SIGKILL");
  await closed;
  assert.equal(child.signalCode, "SIGKILL", `the writer of ${session} ended by itself`);
  const lines = output.split("\n").slice(0, -1);
  return lines.map((line) => {
    const [seq = 0, pid = 0] = line.split(" ").map(Number);
    return { session, seq, pid };
  });
}

/** One store, with a writer that is killed again and again. */
async function killAgainAndAgain(name: string, random: () => number): Promise<void> {
  const directory = join(root, name);
  mkdirSync(directory);
  const acknowledged: Acknowledged[] = [];
  for (let kill = 0; kill < kills / 2; kill += 1) {
    const session = `session-${Math.floor(kill / killsPerSession)}`;
    const lifeMs = random() * longestLifeMs;
    acknowledged.push(...(await writeUntilKilled(directory, session, lifeMs)));
  }

  const driver = openStore(root, directory);
  const keys = new Map<string, string>();
  for (const { session } of await driver.list()) {
    for (const record of await driver.read(session)) {
      assert.equal(record.at, record.seq, `${session}: each record once, in order, without a gap`);
      const key = record.kind === "step.completed" ? record.key : "";
      keys.set(`${session}/${record.seq}`, key);
    }
  }
  assert.deepEqual(await driver.problems(), []);
  await driver.close();
  const lost = acknowledged.filter(
    ({ session, seq, pid }) => keys.get(`${session}/${seq}`) !== `${pid} ${seq}`,
  );
  assert.deepEqual(lost, [], "acknowledged records that are lost or changed");
  assert.ok(acknowledged.length > kills, `only ${acknowledged.length} were acknowledged`);
}

for (const [part, name] of ["first", "second"].entries()) {
  test(`the ${name} ${kills} kills at random moments (CAIRN_TEST_SEED=${seed}), each resumed by the next process: no acknowledged record is lost, none is there twice`, async () => {
    const lanes = [0, 1].map(async (lane) =>
      killAgainAndAgain(`${name}-${lane}`, seededRandom(seed + 2 * part + lane)),
    );
    const outcomes = await Promise.allSettled(lanes);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  });
}

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { buildWriters } from "./faults/builtWriters.ts";
import { ledger } from "./faults/driveLedger.ts";
import {
  type Death,
  deathOf,
  doubts,
  wrongAfter,
  wrongAtDeath,
  wrongAtEnd,
} from "./faults/ledgerVerdict.ts";
import { seededRandom } from "./faults/seededRandom.ts";
import { recordsInCopy } from "./faults/storeHere.ts";
import { WorkLog } from "./faults/workLog.ts";

/** In each of two tests, so that none is long. */
const kills = 100;
/** A life ends after so many lines that the process prints, and so many milliseconds more. */
const mostLines = 8;
const mostMs = 4;

const root = mkdtempSync(join(tmpdir(), "cairn-sessions-"));
after(() => rmSync(root, { recursive: true, force: true }));
await buildWriters(root);
const seed = Number(process.env["CAIRN_TEST_SEED"] ?? Date.now() % 2 ** 31);

interface Seen {
  killed: number;
  sessions: number;
  doubts: number;
}

/** Lets a process drive the session and kills it, while there are kills left; true when it came to the end. */
async function live(directory: string, random: () => number, seen: Seen): Promise<boolean> {
  const args = [join(root, "ledgerWriter.mjs"), root, directory, `${directory}.log`];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, NODE_COMPILE_CACHE: join(root, "cache") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let left = 1 + Math.floor(random() * mostLines);
  const extraMs = random() * mostMs;
  const enough = new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      left -= chunk.toString().split("\n").length - 1;
      if (left <= 0) resolve();
    });
  });
  const closed = once(child, "close");
  await Promise.race([enough, closed]);
  await Promise.race([delay(extraMs), closed]);
  if (seen.killed < kills) child.kill("SIGKILL");
  await closed;
  if (child.signalCode === null) assert.equal(child.exitCode, 0, "it failed by itself");
  else seen.killed += 1;
  return child.signalCode === null;
}

/** One session from its start to its end, through as many deaths as it takes. */
async function liveAndDie(
  name: string,
  random: () => number,
  seen: Seen,
): Promise<readonly string[]> {
  const directory = join(root, name);
  mkdirSync(directory);
  const log = new WorkLog(`${directory}.log`);
  const problems: string[] = [];
  let death: Death | null = null;
  for (let ended = false; !ended;) {
    ended = await live(directory, random, seen);
    const records = recordsInCopy(directory, ledger);
    if (death !== null) problems.push(...wrongAfter(death, records, log));
    death = deathOf(records, log);
    problems.push(...wrongAtDeath(death));
    if (!ended) continue;
    problems.push(...wrongAtEnd(records, log));
    seen.doubts += doubts(records);
  }
  seen.sessions += 1;
  rmSync(directory, { recursive: true });
  return problems.map((problem) => `${name}: ${problem}`);
}

for (const [part, name] of ["first", "second"].entries()) {
  test(`the ${name} ${kills} kills at random moments of sessions of twelve steps (CAIRN_TEST_SEED=${seed}): no finished step runs again, and every effect without a record is asked about`, async (context) => {
    const seen: Seen = { killed: 0, sessions: 0, doubts: 0 };
    const lanes = [0, 1].map(async (lane) => {
      const random = seededRandom(seed + 2 * part + lane);
      const problems: string[] = [];
      for (let session = 1; seen.killed < kills; session += 1) {
        problems.push(...(await liveAndDie(`${name}-${lane}-${session}`, random, seen)));
      }
      return problems;
    });
    const outcomes = await Promise.allSettled(lanes);
    const wrong = outcomes.flatMap((outcome) =>
      outcome.status === "fulfilled" ? outcome.value : [String(outcome.reason)],
    );
    assert.deepEqual(wrong, []);
    context.diagnostic(`${seen.killed} kills, ${seen.sessions} sessions, ${seen.doubts} in doubt`);
    assert.ok(seen.doubts > 0, "there were effects in doubt");
  });
}

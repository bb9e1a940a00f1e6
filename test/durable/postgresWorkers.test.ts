import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ensureSystemDatabase } from "@dbos-inc/dbos-sdk/internal/system_database";
import { GlobalLogger } from "@dbos-inc/dbos-sdk/internal/telemetry/logs";
import { CairnError } from "../../src/core/errors.ts";
import type { Lease } from "../../src/core/ports.ts";
import { DbosWorkers } from "../../src/durable/dbosWorkers.ts";
import { PostgresDriver } from "../../src/durable/postgresDriver.ts";
import { startRecord } from "../contracts/records.ts";
import { PostgresServer } from "../harness/postgres.ts";

const leaseMs = 1_500;
const key = new Uint8Array(32).fill(7);
const folder = mkdtempSync(join(tmpdir(), "cairn-workers-"));
let server: PostgresServer;
/** A database with DBOS's tables, which take it seconds to make. */
let prepared: string;
before(async () => {
  server = await PostgresServer.start();
  prepared = await server.newDatabase();
  const silent = { info: () => {}, debug: () => {}, warn: () => {}, error: () => {} };
  await ensureSystemDatabase(prepared, new GlobalLogger(undefined, { logger: silent }));
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Worker processes on one database, and what they say, in order. */
class Crew {
  readonly url: string;
  readonly effects: string;
  readonly driver: PostgresDriver;
  readonly queue: DbosWorkers;
  readonly workers: ChildProcess[] = [];
  readonly said: { readonly pid: number; readonly line: string; readonly at: number }[] = [];
  readonly #voice = new EventEmitter();

  constructor(url: string) {
    this.url = url;
    this.effects = join(folder, new URL(url).pathname);
    this.driver = new PostgresDriver({ url, key });
    this.queue = new DbosWorkers({ url, owner: this.driver.owner, log: () => {} });
  }

  async hire(longMs = 60_000): Promise<ChildProcess> {
    const script = new URL("postgresWorker.ts", import.meta.url).pathname;
    const child = spawn(
      process.execPath,
      [script, this.url, this.effects, `${leaseMs}`, `${longMs}`],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    this.workers.push(child);
    createInterface(child.stdout).on("line", (line) => {
      this.said.push({ pid: child.pid ?? 0, line, at: performance.now() });
      this.#voice.emit("line");
    });
    await this.hears((line, pid) => line === "ready" && pid === child.pid);
    return child;
  }

  /** Resolves with the first line that fits, said already or not. */
  async hears(
    fits: (line: string, pid: number) => boolean,
    from = 0,
  ): Promise<{ readonly pid: number; readonly line: string; readonly at: number }> {
    for (;;) {
      const found = this.said.slice(from).find(({ line, pid }) => fits(line, pid));
      if (found !== undefined) return found;
      await once(this.#voice, "line");
    }
  }

  async end(pid: number): Promise<void> {
    const child = this.workers.find((worker) => worker.pid === pid);
    assert.ok(child);
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  async start(session: string): Promise<void> {
    await this.driver.release(await this.driver.create(session, startRecord()));
    await this.queue.enqueue(session);
  }

  /** Answers from a process that drives nothing. */
  async answer(session: string): Promise<void> {
    const lease = await this.#claim(session);
    await this.driver.append(lease, {
      kind: "wait.answered",
      at: 1,
      wait: "wait/go",
      answer: true,
      digest: "d",
      by: { user: "u", surface: "cli" },
    });
    await this.driver.release(lease);
    await this.queue.enqueue(session);
  }

  /** Whoever parks a session has it a moment longer, or a lease longer when it was killed. */
  async #claim(session: string): Promise<Lease> {
    for (;;) {
      try {
        return await this.driver.claim(session);
      } catch (error) {
        if (!CairnError.is(error, "session.busy")) throw error;
        await sleep(50);
      }
    }
  }

  /** What is on record of a session, in short. */
  async story(session: string): Promise<readonly string[]> {
    const records = await this.driver.read(session);
    return records.map((record) => ("step" in record ? record.step : record.kind));
  }

  /** Who began each step of each session, in order. */
  begun(): ReadonlyMap<string, readonly number[]> {
    const pids = new Map<string, number[]>();
    for (const line of readFileSync(this.effects, "utf8").trim().split("\n")) {
      const [session, step, pid] = line.split(" ");
      const begun = pids.get(`${session} ${step}`) ?? [];
      begun.push(Number(pid));
      pids.set(`${session} ${step}`, begun);
    }
    return pids;
  }

  async dismiss(): Promise<void> {
    for (const { pid = 0, exitCode, signalCode } of this.workers) {
      if (exitCode === null && signalCode === null) await this.end(pid);
    }
    await this.queue.close();
    await this.driver.close();
  }
}

let crew: Crew | null = null;
async function newCrew(copyOf = prepared): Promise<Crew> {
  crew = new Crew(await server.newDatabase(copyOf));
  return crew;
}
afterEach(async () => {
  await crew?.dismiss();
  crew = null;
});

const steps = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `step/${from + index}`);
const whole = [
  "session.started",
  ...steps(1, 4),
  "wait.opened",
  "wait.answered",
  ...steps(5, 8),
  "session.ended",
];

test("three workers, one killed in a step, one killed at a question: every session ends, each step recorded once", async (context) => {
  const sessions = ["one", "two", "three", "four", "five", "six"];
  // All three find an empty database at once.
  const team = await newCrew(server.url("template1"));
  await Promise.all([team.hire(), team.hire(), team.hire()]);
  for (const session of sessions) await team.start(session);

  const first = await team.hears((line) => line === "begin one 3");
  await team.end(first.pid);
  const killedAt = performance.now();
  const again = await team.hears((line, pid) => line === "begin one 3" && pid !== first.pid);
  const takeover = Math.round(again.at - killedAt);
  context.diagnostic(`takeover of a killed worker's session: ${takeover} ms, lease ${leaseMs} ms`);
  assert.ok(takeover < leaseMs + 8_000, `${takeover} ms`);

  for (const session of sessions) await team.hears((line) => line === `parked ${session}`);
  const second = await team.hears((line, pid) => line === "parked one" && pid !== first.pid);
  await team.end(second.pid);
  for (const session of sessions) await team.answer(session);
  for (const session of sessions) await team.hears((line) => line === `ended ${session}`);

  for (const session of sessions) assert.deepEqual(await team.story(session), whole, session);
  const killed = new Set([first.pid, second.pid]);
  for (const [step, pids] of team.begun()) {
    const [last] = pids.slice(-1);
    const others = pids.slice(0, -1);
    assert.ok(
      others.every((pid) => killed.has(pid)) && last !== undefined,
      `${step} was begun by ${pids.join(", ")}`,
    );
  }
  assert.deepEqual(await team.driver.verify(), []);
});

test("a worker that was stopped past its lease writes nothing when it wakes, and works on", async () => {
  const team = await newCrew();
  const stopped = await team.hire(2_000);
  await team.start("one");
  await team.hears((line) => line === "begin one 3");
  stopped.kill("SIGSTOP");
  const other = await team.hire();
  await team.hears((line, pid) => line === "parked one" && pid === other.pid);
  const atWaking = await team.story("one");
  stopped.kill("SIGCONT");
  await team.hears((line, pid) => line === "lost one" && pid === stopped.pid);
  assert.deepEqual(await team.story("one"), atWaking);
  assert.deepEqual(atWaking, whole.slice(0, 6));

  await team.end(other.pid ?? 0);
  await team.answer("one");
  await team.hears((line, pid) => line === "ended one" && pid === stopped.pid);
  assert.deepEqual(await team.story("one"), whole);
});

test("a worker that is asked to stop hands its sessions back at once", async () => {
  const team = await newCrew();
  const leaving = await team.hire(500);
  const gone = once(leaving, "exit");
  await team.start("one");
  await team.hears((line) => line === "begin one 3");
  leaving.kill("SIGTERM");
  assert.deepEqual(await gone, [0, null]);
  assert.deepEqual(await team.story("one"), whole.slice(0, 4));
  await team.hire();
  await team.hears((line) => line === "parked one");
  await team.answer("one");
  await team.hears((line) => line === "ended one");
  assert.deepEqual(await team.story("one"), whole);
  assert.deepEqual(
    [...team.begun().values()].map((pids) => pids.length),
    Array.from({ length: 8 }, () => 1),
  );
});

test("a session that another process holds is driven when it is given back", async () => {
  const team = await newCrew();
  await team.hire();
  const lease = await team.driver.create("one", startRecord());
  await team.queue.enqueue("one");
  await team.start("two");
  await team.hears((line) => line === "parked two");
  assert.deepEqual(await team.story("one"), ["session.started"]);
  await team.driver.release(lease);
  await team.hears((line) => line === "begin one 1");
});

test("a server that restarts under its workers loses no session", async () => {
  const team = await newCrew();
  await Promise.all([team.hire(1_000), team.hire(1_000)]);
  for (const session of ["one", "two", "three"]) await team.start(session);
  await team.hears((line) => line === "begin one 3");
  await server.halt("immediate");
  await server.run();
  for (const session of ["one", "two", "three"]) {
    await team.hears((line) => line === `parked ${session}`);
    await team.answer(session);
  }
  for (const session of ["one", "two", "three"]) {
    await team.hears((line) => line === `ended ${session}`);
    assert.deepEqual(await team.story(session), whole, session);
  }
});

test("a worker drives no more sessions at once than it was told, and looks at what nobody enqueued", async () => {
  const team = await newCrew();
  const sessions = Array.from({ length: 10 }, (_, index) => `session ${index}`);
  const looks = new EventEmitter();
  const looked = once(looks, "look");
  const driven: string[] = [];
  let now = 0;
  let most = 0;
  for (const session of sessions) await team.queue.enqueue(session);
  const all = new Promise<void>((resolve) => {
    void team.queue.work({
      drive: async (session) => {
        now += 1;
        most = Math.max(most, now);
        await sleep(50);
        now -= 1;
        if (driven.push(session) === sessions.length) resolve();
      },
      look: async () => void looks.emit("look"),
    });
  });
  await Promise.all([all, looked]);
  assert.deepEqual(driven.toSorted(), sessions.toSorted());
  assert.equal(most, 4);
});

test("a drive that failed for a reason of its own is not repeated for ever", async () => {
  const team = await newCrew();
  let drives = 0;
  const later = new Promise<void>((resolve) => {
    void team.queue.work({
      drive: async (session) => {
        if (session === "sound") resolve();
        else drives += 1;
        throw new Error("a bug");
      },
    });
  });
  await team.queue.enqueue("broken");
  await sleep(1_500);
  await team.queue.enqueue("sound");
  await later;
  assert.equal(drives, 1);
});

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { DBOS, DBOSClient } from "@dbos-inc/dbos-sdk";
import { DBOSExecutor } from "@dbos-inc/dbos-sdk/internal/dbos-executor";
import { ensureSystemDatabase } from "@dbos-inc/dbos-sdk/internal/system_database";
import { GlobalLogger } from "@dbos-inc/dbos-sdk/internal/telemetry/logs";
import { CairnError } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import type { PostgresOwner } from "./postgresOwner.ts";

export interface WorkersOptions {
  readonly url: string;
  /** The owner of the driver that drives sessions here: its silence is the worker's. */
  readonly owner: PostgresOwner;
  readonly log: Log;
  /** How many sessions are driven here at once. */
  readonly concurrency?: number;
  /** How often a worker looks for the dead, and does what `work` was given to do now and then. */
  readonly lookMs?: number;
}

export interface Work {
  /**
   * Runs a session until it parks or ends. Called at least once for every `enqueue`; by several
   * workers at once when one of them is taken for dead, so that only who can claim the session
   * may do anything. The signal aborts when this worker closes.
   */
  readonly drive: (session: string, signal: AbortSignal) => Promise<void>;
  /** Called now and then by every worker; for what nobody enqueues, like a deadline that passed. */
  readonly look?: () => Promise<void>;
}

const application = "cairn";
const queueName = "cairn drives";
const workflowName = "drive";
/** What a drive is in the queue; raised when its arguments change. */
const appVersion = "1";
const shortestPauseMs = 500;
const longestPauseMs = 30_000;
const keepFinishedMs = 3_600_000;
const sayAgainMs = 60_000;

/** A session that cannot be driven now, but later. */
const later = ["session.busy", "store.unavailable", "store.unwritable"] as const;
/** A session that somebody else drives, or nobody ever again. */
const over = ["session.lost", "session.unknown", "session.readOnly", "store.unverified"] as const;

/**
 * A durable queue of drives on DBOS, for any number of workers on any number of machines. DBOS
 * keeps the queue and hands out; that a dead worker's drives are handed out again is decided here,
 * by the owners' heartbeat, for the library leaves it to a paid service. One a process: DBOS is
 * global. Nothing but ids of sessions is in its tables.
 */
export class DbosWorkers {
  readonly #options: WorkersOptions;
  readonly #stopping = new AbortController();
  readonly #driving = new Set<Promise<void>>();
  #client: Promise<DBOSClient> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;
  #lookFrom = 0;
  #forgetFrom = 0;

  constructor(options: WorkersOptions) {
    this.#options = options;
  }

  /** Asks for a drive of the session by any worker, now or when there is one; resolves when that is on disk. */
  async enqueue(session: string): Promise<void> {
    await this.#enqueue(session, 0);
  }

  /** Takes drives from the queue until it is closed; resolves when it has begun. */
  async work({ drive, look }: Work): Promise<void> {
    const { url, owner, concurrency = 4, lookMs = 1_000 } = this.#options;
    await owner.start();
    await this.#prepare();
    DBOS.setConfig({
      name: application,
      systemDatabaseUrl: url,
      applicationVersion: appVersion,
      executorID: owner.id,
      logger: this.#logger(),
      runMigrations: false,
      systemDatabaseIdleTransactionTimeoutMs: 5_000,
      listenQueues: [queueName],
    });
    DBOS.registerWorkflow(
      async (session: string, attempt: number) => {
        const driven = this.#drive(drive, session, attempt);
        this.#driving.add(driven);
        await driven.finally(() => this.#driving.delete(driven));
      },
      // How often a worker died with it says nothing of the session.
      { name: workflowName, maxRecoveryAttempts: 1_000_000 },
    );
    await DBOS.launch();
    await DBOS.registerQueue(queueName, {
      workerConcurrency: concurrency,
      minPollingIntervalMs: 200,
      onConflict: "always_update",
    });
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look(look).finally(() => {
        this.#looking = null;
      });
    }, lookMs);
  }

  /** Stops taking drives, aborts those under way and hands them back to the queue. */
  async close(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#stopping.abort();
    await this.#looking;
    await Promise.allSettled(this.#driving);
    if (DBOS.isInitialized())
      await DBOS.shutdown({ deregister: true, workflowCompletionTimeoutMS: 2_000 });
    const client = await this.#client?.catch(() => null);
    await client?.destroy();
  }

  async #drive(drive: Work["drive"], session: string, attempt: number): Promise<void> {
    const { signal } = this.#stopping;
    try {
      if (!signal.aborted) await drive(session, signal);
      if (signal.aborted) await this.#handBack(session, 0);
    } catch (error) {
      if (over.some((code) => CairnError.is(error, code))) return;
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log(`Session ${session} could not be driven: ${reason}`);
      if (signal.aborted) await this.#handBack(session, 0);
      else if (later.some((code) => CairnError.is(error, code))) {
        await this.#handBack(session, attempt + 1);
      } else throw error;
    }
  }

  /**
   * A new drive before this one ends. While the database is away this one does not end, so it is
   * handed out again if we die meanwhile.
   */
  async #handBack(session: string, attempt: number): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      try {
        return await this.#enqueue(session, attempt);
      } catch (error) {
        if (signal.aborted) throw error;
        await sleep(shortestPauseMs);
      }
    }
  }

  async #enqueue(session: string, attempt: number): Promise<void> {
    this.#client ??= this.#open();
    const client = await this.#client;
    const pauseMs = Math.min(shortestPauseMs * 2 ** (attempt - 1), longestPauseMs);
    await client.enqueue(
      {
        queueName,
        workflowName,
        appVersion,
        workflowID: `drive ${session} ${randomUUID()}`,
        ...(attempt === 0 ? {} : { delaySeconds: pauseMs / 1000 }),
      },
      session,
      attempt,
    );
  }

  async #open(): Promise<DBOSClient> {
    try {
      // The first to ask for a drive may come before the first worker.
      await this.#prepare();
      return await DBOSClient.create({
        systemDatabaseUrl: this.#options.url,
        systemDatabasePoolSize: 2,
        applicationName: application,
        logger: this.#logger(),
      });
    } catch (error) {
      this.#client = null;
      throw error;
    }
  }

  /** DBOS's own tables, by one process at a time: its migrations fail beside each other (5.3.0). */
  async #prepare(): Promise<void> {
    const { url, owner } = this.#options;
    const logger = new GlobalLogger(undefined, { logger: this.#logger() });
    await owner.alone(async () => ensureSystemDatabase(url, logger));
  }

  async #look(look: Work["look"]): Promise<void> {
    try {
      await this.#takeOver();
      const began = performance.now();
      if (began < this.#lookFrom) return;
      await look?.();
      await this.#forget();
      // A tenth of the time at most, however much there is to look at.
      this.#lookFrom = began + 11 * (performance.now() - began);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log(`A look at the queue failed and is made again: ${reason}`);
    }
  }

  /** Hands out again what workers that are silent were driving. */
  async #takeOver(): Promise<void> {
    const { owner, log } = this.#options;
    const pending = await DBOS.listWorkflows({ workflowName, status: "PENDING", loadInput: false });
    const owners = new Set(
      pending.flatMap(({ executorId = owner.id }) => (executorId === owner.id ? [] : [executorId])),
    );
    if (owners.size === 0) return;
    const silent = await owner.silent([...owners]);
    if (silent.length === 0) return;
    const again = (await DBOSExecutor.globalInstance?.recoverPendingWorkflows([...silent])) ?? [];
    if (again.length > 0) log(`Took over ${again.length} drives of ${silent.join(", ")}.`);
  }

  /** Finished drives are of no use to anyone. */
  async #forget(): Promise<void> {
    if (performance.now() < this.#forgetFrom) return;
    this.#forgetFrom = performance.now() + keepFinishedMs / 60;
    const finished = await DBOS.listWorkflows({
      workflowName,
      status: ["SUCCESS", "ERROR", "CANCELLED"],
      completedBefore: new Date(Date.now() - keepFinishedMs).toISOString(),
      loadInput: false,
      loadOutput: false,
      limit: 500,
    });
    if (finished.length > 0)
      await DBOS.deleteWorkflows(finished.map(({ workflowID }) => workflowID));
  }

  #logger(): {
    info(): void;
    debug(): void;
    warn(entry: unknown): void;
    error(entry: unknown): void;
  } {
    const { log } = this.#options;
    const saidAt = new Map<string, number>();
    const say = (entry: unknown): void => {
      // While the database is away, each of its loops says so many times a second.
      const line = `DBOS: ${String(entry)}`;
      const now = performance.now();
      if (now - (saidAt.get(line) ?? -Infinity) < sayAgainMs) return;
      if (saidAt.size > 100) saidAt.clear();
      saidAt.set(line, now);
      log(line);
    };
    return { info: () => {}, debug: () => {}, warn: say, error: say };
  }
}

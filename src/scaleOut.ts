import type { DurableDriver, Log } from "./core/ports.ts";
import type { Sessions } from "./core/sessions.ts";
import { CairnError } from "./core/errors.ts";
import { stateRoot, storeKey } from "./durable/storePlace.ts";

export interface ScaleOutOptions {
  /** Of a PostgreSQL database that all workers share. */
  readonly url: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly log: Log;
  /** How many sessions are driven here at once. */
  readonly concurrency?: number | undefined;
}

export interface ScaleOut {
  /** Closed with the engine that is made over it. */
  readonly driver: DurableDriver;
  /** Hands a session to whatever worker is free; resolves when that is on disk. */
  enqueue(session: string): Promise<void>;
  /** Drives what is queued until `close`; resolves when it has begun. */
  work(sessions: Sessions): Promise<void>;
  /** Stops taking work and lets go of what is driven: another worker goes on with it. */
  close(): Promise<void>;
}

/**
 * Sessions in PostgreSQL, for any number of workers. Loads the packages that it needs here, so
 * that nobody else pays for them.
 */
export async function openScaleOut(options: ScaleOutOptions): Promise<ScaleOut> {
  const { url, environment, log, concurrency } = options;
  if (!/^postgres(ql)?:\/\//.test(url)) {
    throw new CairnError(
      "usage.invalid",
      "--postgres takes an address such as postgresql://user@host/database.",
    );
  }
  const [{ PostgresDriver }, { DbosWorkers }] = await Promise.all([
    import("./durable/postgresDriver.ts"),
    import("./durable/dbosWorkers.ts"),
  ]);
  const driver = new PostgresDriver({ url, key: storeKey(stateRoot(environment)) });
  const workers = new DbosWorkers({
    url,
    owner: driver.owner,
    log,
    ...(concurrency === undefined ? {} : { concurrency }),
  });
  return {
    driver,
    enqueue: async (session) => workers.enqueue(session),
    work: async (sessions) =>
      workers.work({
        drive: async (session, signal) => driveOnce(sessions, session, signal),
        // Looking at the sessions is what times the deadlines of their waits.
        look: async () => void (await sessions.list()),
      }),
    close: async () => workers.close(),
  };
}

async function driveOnce(sessions: Sessions, session: string, signal: AbortSignal): Promise<void> {
  const stop = (): void => void sessions.stop(session);
  try {
    const run = await sessions.resume(session);
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    await run.done;
  } catch (error) {
    // It has come to its end: somebody else was first.
    if (!CairnError.is(error, "session.ended")) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

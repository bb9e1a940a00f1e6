import { setTimeout as sleep } from "node:timers/promises";
import { Client, Pool, type PoolClient } from "pg";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import { Interruption, postgresError, reasonOf, whereIs } from "./postgresError.ts";
import { preparePostgres } from "./postgresSchema.ts";

export interface PostgresPlace {
  /** `postgresql://user:password@host:port/database`; only host, port and database are ever shown. */
  readonly url: string;
  /** How long a call waits for a server that is away before it gives up. */
  readonly patienceMs?: number;
}

/** SQL with a name is parsed once a connection. */
export interface Statement {
  readonly name?: string;
  readonly text: string;
  /** For what takes longer than a record: vacuum, checks. */
  readonly slow?: boolean;
}

/** Runs one statement on the connection that the work was given; every row passes the schema. */
export type Query = <Row>(
  row: z.ZodType<Row>,
  statement: Statement,
  values?: readonly unknown[],
) => Promise<readonly Row[]>;

const replyLimitMs = 30_000;
const slowLimitMs = 3_600_000;
const nothing = z.unknown();
const synchronous = `select set_config('synchronous_commit', 'on', false)
  where current_setting('synchronous_commit') = 'off'`;

/** Connections to one database that come back by themselves, and errors in our own words. */
export class PostgresConnection {
  /** Database and server in words, without user or password. */
  readonly where: string;
  readonly #url: string;
  readonly #patienceMs: number;
  readonly #pool: Pool;
  readonly #synchronous = new WeakSet<PoolClient>();
  #prepared: Promise<void> | null = null;
  #closed = false;

  constructor({ url, patienceMs = 5_000 }: PostgresPlace) {
    this.#url = url;
    this.#patienceMs = patienceMs;
    this.where = whereIs(url);
    this.#pool = new Pool({
      connectionString: url,
      application_name: "cairn",
      max: 8,
      connectionTimeoutMillis: Math.max(patienceMs, 1_000),
      query_timeout: replyLimitMs,
      // A process that is stopped in the middle of a transaction keeps nobody else waiting for long.
      idle_in_transaction_session_timeout: 5_000,
      keepAlive: true,
      // Only work in progress keeps a process alive, not the store.
      allowExitOnIdle: true,
    });
    // A connection may be cut while nothing is asked of it; the next statement says so.
    this.#pool.on("error", ignore).on("connect", (client) => void client.on("error", ignore));
  }

  /**
   * Does the work on one connection. When that is cut, the work is done again from its start on a
   * new one until patience ends, so it must be harmless to do twice. Throws `store.unavailable`.
   */
  async run<Result>(work: (query: Query) => Promise<Result>): Promise<Result> {
    const until = performance.now() + this.#patienceMs;
    for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 500)) {
      try {
        if (this.#closed) throw new Interruption(new Error("it was closed"), false);
        this.#prepared ??= this.#prepare();
        await this.#prepared;
        return await this.#once(work);
      } catch (error) {
        if (!(error instanceof Interruption)) throw error;
        const over = performance.now() + pauseMs > until;
        if (over || this.#closed || !error.passing) throw this.#unavailable(error.cause);
        await sleep(pauseMs);
      }
    }
  }

  /** The same in one transaction: all or nothing. */
  async transaction<Result>(work: (query: Query) => Promise<Result>): Promise<Result> {
    return this.run(async (query) => inTransaction(query, work));
  }

  /** A connection beside the others, for listening; the caller ends it. */
  async open(): Promise<Client> {
    const client = new Client({
      connectionString: this.#url,
      application_name: "cairn bell",
      connectionTimeoutMillis: Math.max(this.#patienceMs, 1_000),
      keepAlive: true,
    });
    await client.connect();
    return client;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pool.end();
  }

  async #prepare(): Promise<void> {
    try {
      await this.#once(async (query) => inTransaction(query, preparePostgres(this.where)));
    } catch (error) {
      this.#prepared = null;
      throw error;
    }
  }

  async #once<Result>(work: (query: Query) => Promise<Result>): Promise<Result> {
    const client = await this.#connect();
    let broken = true;
    try {
      const query = this.#queryOn(client);
      // On disk is a promise of ours, whatever the server's default is.
      if (!this.#synchronous.has(client)) await query(nothing, { text: synchronous });
      this.#synchronous.add(client);
      const result = await work(query);
      broken = false;
      return result;
    } catch (error) {
      broken = error instanceof Interruption && error.cut;
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async #connect(): Promise<PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      throw postgresError(this.where, error);
    }
  }

  #queryOn(client: PoolClient): Query {
    return async (row, { name, text, slow = false }, values = []) => {
      const question = {
        text,
        values: [...values],
        ...(name === undefined ? {} : { name: `cairn ${name}` }),
        ...(slow ? { query_timeout: slowLimitMs } : {}),
      };
      const { rows } = await client.query(question).catch((error: unknown) => {
        throw postgresError(this.where, error);
      });
      return z.array(row).parse(rows);
    };
  }

  #unavailable(cause: unknown): CairnError {
    return new CairnError(
      "store.unavailable",
      `The ${this.where} cannot be reached (${reasonOf(cause)}). Nothing more is recorded; start it or mend the network, then resume.`,
      { cause, retryable: true },
    );
  }
}

function ignore(): void {}

async function inTransaction<Result>(
  query: Query,
  work: (query: Query) => Promise<Result>,
): Promise<Result> {
  await query(nothing, { text: "begin" });
  try {
    const result = await work(query);
    await query(nothing, { text: "commit" });
    return result;
  } catch (error) {
    await query(nothing, { text: "rollback" }).catch(() => {});
    throw error;
  }
}

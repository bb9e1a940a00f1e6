import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import type { PostgresConnection, Query } from "./postgresConnection.ts";

const nothing = z.unknown();
/** Any number that is the same in every Cairn, and not the schema's. */
const turnstile = 4_712_033_002;

/**
 * Who holds leases: one row a process, kept alive by the database's clock, so that machines need
 * not agree on the time. A lease lasts as long as its owner's row. Should somebody set that clock,
 * leases end early or late, and the epoch still keeps every writer but one out.
 */
export class PostgresOwner {
  readonly id = `${hostname()}/${process.pid}/${randomUUID().slice(0, 8)}`;
  readonly #database: PostgresConnection;
  readonly #leaseMs: number;
  #timer: NodeJS.Timeout | null = null;
  #beating: Promise<void> | null = null;
  #closed = false;

  constructor(database: PostgresConnection, leaseMs: number) {
    this.#database = database;
    this.#leaseMs = leaseMs;
  }

  /** Alive for another lease from now on, as part of the caller's transaction; then kept alive. */
  async beat(query: Query): Promise<void> {
    await query(
      nothing,
      {
        name: "beat",
        text: `insert into cairn.owner values ($1, clock_timestamp() + $2 * interval '1 ms')
          on conflict (id) do update set alive_until = excluded.alive_until`,
      },
      [this.id, this.#leaseMs],
    );
    if (this.#timer !== null || this.#closed) return;
    this.#timer = setInterval(() => void this.#beatAgain(), this.#leaseMs / 4);
    this.#timer.unref();
  }

  /** The same by itself, for an owner that holds no lease yet. */
  async start(): Promise<void> {
    const text = `delete from cairn.owner where alive_until < clock_timestamp() - interval '1 day'`;
    await this.#database.run(async (query) => {
      await query(nothing, { text });
      await this.beat(query);
    });
  }

  /** Those of these owners whose silence is longer than their lease. */
  async silent(owners: readonly string[]): Promise<readonly string[]> {
    const row = z.object({ owner: z.string() });
    const text = `select owner from unnest($1::text[]) as asked (owner) where not exists (
      select from cairn.owner o where o.id = asked.owner and o.alive_until > clock_timestamp())`;
    const rows = await this.#database.run(async (query) => query(row, { text }, [owners]));
    return rows.map(({ owner }) => owner);
  }

  /** Does the work while no other process on this database does work that is done this way. */
  async alone(work: () => Promise<void>): Promise<void> {
    const row = z.object({ mine: z.boolean() });
    await this.#database.run(async (query) => {
      // Asked for again and again: whoever waits in a statement holds up an index that is being made.
      const text = "select pg_try_advisory_lock($1) as mine";
      while ((await query(row, { text }, [turnstile]))[0]?.mine !== true) await sleep(100);
      try {
        await work();
      } finally {
        await query(nothing, { text: "select pg_advisory_unlock($1)" }, [turnstile]);
      }
    });
  }

  /** Gives back every lease at once. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    await this.#beating;
    const text = "delete from cairn.owner where id = $1";
    await this.#database.run(async (query) => query(nothing, { text }, [this.id])).catch(() => {});
  }

  async #beatAgain(): Promise<void> {
    if (this.#beating !== null) return;
    // A beat that is missed shows at the next append, if somebody else took over.
    this.#beating = this.#database.run(async (query) => this.beat(query)).catch(() => {});
    await this.#beating;
    this.#beating = null;
  }
}

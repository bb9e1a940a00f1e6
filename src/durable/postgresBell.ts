import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import type { PostgresConnection } from "./postgresConnection.ts";

declare module "pg" {
  interface ClientBase {
    /** There since 8.0, not in its types: an idle connection keeps no process alive. */
    unref(): void;
    ref(): void;
  }
}

const pauseMs = 500;

/**
 * Says across processes that a session has something new, by LISTEN and NOTIFY on a connection of
 * its own. A record's transaction does not notify: PostgreSQL commits those one at a time. A ring
 * that is lost costs a watcher time, never a record.
 */
export class PostgresBell {
  readonly #database: PostgresConnection;
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #rung = new Set<string>();
  #client: Promise<Client> | null = null;
  #ringing = false;
  #closed = false;

  constructor(database: PostgresConnection) {
    this.#database = database;
  }

  /** Tells everyone, soon. Never throws. */
  ring(session: string): void {
    this.#wake(session);
    this.#rung.add(session);
    if (!this.#ringing && !this.#closed) void this.#ringAll();
  }

  /** Calls back at each ring until the returned function is called. */
  listen(session: string, heard: () => void): () => void {
    const listeners = this.#listeners.get(session) ?? new Set();
    listeners.add(heard);
    this.#listeners.set(session, listeners);
    this.#connect().catch(() => {});
    return () => {
      listeners.delete(heard);
      if (listeners.size === 0) this.#listeners.delete(session);
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const session of this.#listeners.keys()) this.#wake(session);
    const client = await this.#client?.catch(() => null);
    // Closing is work in progress, and who waits for it is kept alive.
    client?.ref();
    await client?.end().catch(() => {});
  }

  #wake(session: string): void {
    for (const heard of this.#listeners.get(session) ?? []) heard();
  }

  async #ringAll(): Promise<void> {
    this.#ringing = true;
    while (this.#rung.size > 0 && !this.#closed) {
      const sessions = [...this.#rung];
      this.#rung.clear();
      try {
        const client = await this.#connect();
        await client.query({
          name: "cairn ring",
          text: "select pg_notify('cairn', session) from unnest($1::text[]) as rung (session)",
          values: [sessions],
        });
      } catch {
        // Watchers look by themselves now and then.
        await sleep(pauseMs, undefined, { ref: false });
      }
    }
    this.#ringing = false;
  }

  async #connect(): Promise<Client> {
    if (this.#client === null) {
      const opened = this.#open(() => {
        if (this.#client !== opened) return;
        this.#client = null;
        this.#listenAgain();
      });
      this.#client = opened;
    }
    return this.#client;
  }

  async #open(over: () => void): Promise<Client> {
    try {
      const client = await this.#database.open();
      client.on("error", over).on("end", over);
      client.on("notification", ({ payload = "" }) => this.#wake(payload));
      // A ring need not be on disk.
      await client.query("set synchronous_commit = off");
      await client.query("listen cairn");
      client.unref();
      // What was rung before we listened.
      for (const session of this.#listeners.keys()) this.#wake(session);
      return client;
    } catch (error) {
      // Not before the caller knows which connection it is.
      setImmediate(over);
      throw error;
    }
  }

  #listenAgain(): void {
    const timer = setTimeout(() => {
      if (!this.#closed && this.#listeners.size > 0) this.#connect().catch(() => {});
    }, pauseMs);
    timer.unref();
  }
}

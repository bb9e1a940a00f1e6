import { createHmac } from "node:crypto";
import { CairnError } from "../core/errors.ts";
import type {
  CreateOptions,
  DurableDriver,
  Lease,
  Recalled,
  SessionSummary,
  StoreProblem,
} from "../core/ports.ts";
import type { RecordBody, SessionRecord } from "../core/records.ts";
import { PostgresBell } from "./postgresBell.ts";
import { blobsOf, damagedBlobs, getBlob, putBlobs } from "./postgresBlobs.ts";
import { PostgresConnection, type PostgresPlace } from "./postgresConnection.ts";
import { PostgresOwner } from "./postgresOwner.ts";
import { PostgresReader, type SessionEntry } from "./postgresReader.ts";
import { PostgresSessions, type Held } from "./postgresSessions.ts";
import { lost, PostgresWriter } from "./postgresWriter.ts";

export interface PostgresOptions extends PostgresPlace {
  /** Signs every record. All workers on one database have the same; it is kept outside of it. */
  readonly key: Uint8Array;
  /** How long a process may be silent before others take its sessions over. */
  readonly leaseMs?: number;
}

/** A watcher that missed a ring looks again after this long. */
const lookAgainMs = 1_000;

/**
 * The driver for any number of machines: records in PostgreSQL's schema `cairn`. One statement and
 * one commit a record, or for as many as came while one was on its way.
 *
 * A record is on disk when the server says so, with `synchronous_commit` on; what that is worth
 * with `fsync` off or without a standby is the server's. `remove` leaves no row and vacuums the
 * tables: their pages may keep bytes of dead rows until they are written over, and the server keeps
 * what it wrote in its WAL, in WAL archives and in backups for as long as it is told to.
 */
export class PostgresDriver implements DurableDriver {
  readonly #database: PostgresConnection;
  readonly #key: Uint8Array;
  readonly #owner: PostgresOwner;
  readonly #sessions: PostgresSessions;
  readonly #reader: PostgresReader;
  readonly #bell: PostgresBell;
  readonly #writers = new Map<string, PostgresWriter>();
  /** How many records were found sound, by a session's number; asked again, only newer ones are read. */
  readonly #sound = new Map<string, number>();
  #closed = false;

  constructor(options: PostgresOptions) {
    const { key, leaseMs = 15_000 } = options;
    const keyId = createHmac("sha256", key).update("cairn store").digest("hex");
    this.#key = key;
    this.#database = new PostgresConnection(options);
    this.#owner = new PostgresOwner(this.#database, leaseMs);
    this.#sessions = new PostgresSessions(this.#database, this.#owner, { key, keyId });
    this.#reader = new PostgresReader(this.#database, key, keyId);
    this.#bell = new PostgresBell(this.#database);
  }

  /** What workers share with it: who this process is, and which others are gone. */
  get owner(): PostgresOwner {
    return this.#owner;
  }

  async create(session: string, first: RecordBody, options: CreateOptions = {}): Promise<Lease> {
    return this.#held(await this.#sessions.create(session, first, options));
  }

  async claim(session: string): Promise<Lease> {
    return this.#held(await this.#sessions.claim(session));
  }

  async release(lease: Lease): Promise<void> {
    if (this.#writers.get(lease.session)?.lease.epoch === lease.epoch) {
      this.#writers.delete(lease.session);
    }
    // A lease that cannot be given back runs out by itself.
    await this.#sessions.release(lease).catch(() => {});
  }

  async append(lease: Lease, body: RecordBody): Promise<SessionRecord> {
    const writer = this.#writers.get(lease.session);
    if (writer?.lease.epoch === lease.epoch) return writer.append(body);
    await this.#reader.find(lease.session);
    throw lost(lease.session);
  }

  async read(session: string, afterSeq = 0): Promise<readonly SessionRecord[]> {
    return this.#reader.read(session, afterSeq);
  }

  async *watch(
    session: string,
    afterSeq: number,
    signal: AbortSignal,
  ): AsyncGenerator<SessionRecord> {
    let seen = afterSeq;
    let wake: (() => void) | null = null;
    let rung = false;
    const heard = (): void => {
      rung = true;
      wake?.();
    };
    const deaf = this.#bell.listen(session, heard);
    signal.addEventListener("abort", heard);
    const over = (): boolean => signal.aborted || this.#closed;
    try {
      while (!over()) {
        rung = false;
        for (const record of await this.#unlessOver(over, session, seen)) {
          if (over()) return;
          seen = record.seq;
          yield record;
        }
        if (rung || over()) continue;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, lookAgainMs);
          wake = (): void => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    } finally {
      deaf();
      signal.removeEventListener("abort", heard);
    }
  }

  async list(): Promise<readonly SessionSummary[]> {
    return this.#reader.list();
  }

  async problems(): Promise<readonly StoreProblem[]> {
    const found = await this.#reader.sessions();
    return this.#look(found, (entry) => this.#sound.get(entry.number) ?? 0);
  }

  async verify(): Promise<readonly StoreProblem[]> {
    const found = [...(await this.#look(await this.#reader.sessions(), () => 0))];
    for (const digest of await damagedBlobs(this.#database)) {
      found.push({ session: "", reason: `The stored content ${digest} is damaged.` });
    }
    if (!(await this.#reader.syncs())) {
      const reason = `The ${this.#database.where} runs with fsync off: a power cut can lose or damage any record.`;
      found.push({ session: "", reason });
    }
    return found;
  }

  async recall(key: string): Promise<Recalled | null> {
    return this.#reader.recall(key);
  }

  async putBlobs(session: string, blobs: readonly Uint8Array[]): Promise<readonly string[]> {
    return putBlobs(this.#database, session, blobs);
  }

  async getBlob(digest: string): Promise<Uint8Array | null> {
    return getBlob(this.#database, digest);
  }

  async blobsOf(session: string): Promise<readonly string[]> {
    return blobsOf(this.#database, session);
  }

  async sizes(): Promise<ReadonlyMap<string, number>> {
    return this.#reader.sizes();
  }

  async remove(session: string): Promise<void> {
    await this.#sessions.remove(session);
    this.#bell.ring(session);
  }

  async import(
    session: string,
    records: readonly RecordBody[],
    blobs: readonly Uint8Array[],
  ): Promise<void> {
    await this.#sessions.import(session, records, blobs);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#writers.clear();
    await this.#bell.close();
    await this.#owner.close();
    await this.#database.close();
  }

  #held({ lease, tip }: Held): Lease {
    const start = { lease, key: this.#key, tip };
    const writer = new PostgresWriter(this.#database, start, (session) => this.#bell.ring(session));
    this.#writers.set(lease.session, writer);
    return lease;
  }

  async #unlessOver(
    over: () => boolean,
    session: string,
    seen: number,
  ): Promise<readonly SessionRecord[]> {
    try {
      return await this.#reader.read(session, seen);
    } catch (error) {
      if (over()) return [];
      throw error;
    }
  }

  async #look(
    entries: readonly SessionEntry[],
    soundOf: (entry: SessionEntry) => number,
  ): Promise<readonly StoreProblem[]> {
    const found: StoreProblem[] = [];
    for (const entry of entries) {
      const { id, number, records, foreign } = entry;
      const sound = soundOf(entry);
      if (foreign) {
        const reason = `Session ${id} was recorded with another key: it can be read, not continued.`;
        found.push({ session: id, reason });
      } else if (records > sound) {
        try {
          const read = await this.#reader.read(id, sound);
          this.#sound.set(number, read.at(-1)?.seq ?? sound);
        } catch (error) {
          // Removed since the sessions were listed.
          if (CairnError.is(error, "session.unknown")) continue;
          if (!CairnError.is(error, "store.corrupt")) throw error;
          found.push({ session: id, reason: error.message });
        }
      }
    }
    return found;
  }
}

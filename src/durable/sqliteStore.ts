import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { chmodSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { CairnError } from "../core/errors.ts";
import type { Lease, SessionSummary } from "../core/ports.ts";
import { recordBody, type RecordBody, type SessionRecord } from "../core/records.ts";
import { asStoreError } from "./storeError.ts";

export interface StoreOptions {
  readonly path: string;
  /** Signs every record. Kept outside the workspace: a store that a stranger shipped does not verify. */
  readonly key: Uint8Array;
  readonly owner: string;
  readonly now: () => number;
  /** Whether the owner of a lease is known to be gone. */
  readonly dead: (owner: string) => boolean;
}

export const leaseMs = 20_000;
const schemaVersion = 1;
/** A record's row id is its session's number and its place in it, so that one session lies together. */
const perSession = 2 ** 32;

const schema = `
create table store (name text primary key, value text not null) strict, without rowid;
create table session (
  number integer primary key,
  id text not null unique,
  owner text,
  lease_until integer not null,
  epoch integer not null
) strict;
create table record (id integer primary key, body text not null, mac blob not null) strict;
create table blob (digest text primary key, bytes blob not null) strict, without rowid;
`;

interface SessionRow {
  readonly number: number;
  readonly id: string;
  readonly owner: string | null;
  readonly leaseUntil: number;
  readonly epoch: number;
}

interface RecordRow {
  readonly id: number;
  readonly body: string;
  readonly mac: Uint8Array;
}

/**
 * Records in one SQLite file, synchronously: one transaction and one sync a record. Every row is
 * signed together with the row before it, so a changed, moved, lost or foreign one is noticed.
 */
export class SqliteStore {
  readonly #options: StoreOptions;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  /** The newest signature by session number, so that an append need not read the one before. */
  readonly #tips = new Map<number, { readonly seq: number; readonly mac: Uint8Array }>();
  readonly #own: boolean;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#database = open(options.path);
    this.#own = asStoreError(options.path, () => this.#prepareSchema());
  }

  create(session: string, first: RecordBody): Lease {
    return this.#transaction(() => {
      this.#get(
        "insert into session (id, owner, lease_until, epoch) values (?, ?, ?, 1)",
        session,
        this.#options.owner,
        this.#options.now() + leaseMs,
      );
      const row = this.#row(session);
      this.#insert(row.number, 1, first);
      return { session, epoch: 1 };
    });
  }

  claim(session: string): Lease {
    const { owner, now, dead } = this.#options;
    return this.#transaction(() => {
      const row = this.#row(session);
      if (!this.#own) {
        throw new CairnError(
          "store.unverified",
          `Session ${session} was not recorded with this machine's key. It can be read, not continued.`,
        );
      }
      const held = row.owner !== null && row.leaseUntil > now() && !dead(row.owner);
      if (held) {
        const where = row.owner === owner ? "in this process" : "in another window or process";
        throw new CairnError(
          "session.busy",
          `Session ${session} is running ${where}. Wait for it, or stop it there.`,
        );
      }
      const epoch = row.epoch + 1;
      this.#get(
        "update session set owner = ?, lease_until = ?, epoch = ? where number = ?",
        owner,
        now() + leaseMs,
        epoch,
        row.number,
      );
      this.#tips.delete(row.number);
      return { session, epoch };
    });
  }

  release(lease: Lease): void {
    this.#transaction(() => {
      this.#get(
        "update session set owner = null, lease_until = 0 where id = ? and epoch = ?",
        lease.session,
        lease.epoch,
      );
    });
  }

  renew(leases: readonly Lease[]): void {
    this.#transaction(() => {
      for (const lease of leases) {
        this.#get(
          "update session set lease_until = ? where id = ? and epoch = ?",
          this.#options.now() + leaseMs,
          lease.session,
          lease.epoch,
        );
      }
    });
  }

  append(lease: Lease, body: RecordBody): SessionRecord {
    return this.#transaction(() => {
      const row = this.#row(lease.session);
      if (row.epoch !== lease.epoch) {
        throw new CairnError(
          "session.lost",
          `Session ${lease.session} was taken over by another window or process. Nothing was written here.`,
        );
      }
      const seq = this.#tip(row.number).seq + 1;
      this.#insert(row.number, seq, body);
      return { ...body, session: lease.session, seq };
    });
  }

  read(session: string, afterSeq = 0): readonly SessionRecord[] {
    return asStoreError(this.#options.path, () => {
      const row = this.#row(session);
      const first = afterSeq === 0 ? 1 : afterSeq;
      const rows = this.#all(
        "select id, body, mac from record where id between ? and ? order by id",
        row.number * perSession + first,
        row.number * perSession + perSession - 1,
      ).map(recordRow);
      const verified = this.#verified(session, row.number, first, rows);
      return afterSeq === 0 ? verified : verified.slice(1);
    });
  }

  /** One session's first and last record without the ones between. */
  summary(session: string): SessionSummary {
    const row = this.#row(session);
    const ends = this.#all(
      `select id, body, mac from record where id in (
        (select min(id) from record where id between ?1 and ?2),
        (select max(id) from record where id between ?1 and ?2)) order by id`,
      row.number * perSession,
      row.number * perSession + perSession - 1,
    ).map(recordRow);
    const [first, last = first] = ends;
    if (first === undefined || last === undefined) throw corrupt(session, 1, "it has no records");
    const { owner, leaseUntil } = row;
    return {
      session,
      first: parsed(session, 1, first),
      last: parsed(session, last.id % perSession, last),
      records: last.id % perSession,
      held: owner !== null && leaseUntil > this.#options.now() && !this.#options.dead(owner),
    };
  }

  /** Ids of all sessions, newest first. */
  sessions(): readonly string[] {
    return asStoreError(this.#options.path, () =>
      this.#all("select id from session order by number desc").map((row) => String(row["id"])),
    );
  }

  putBlobs(blobs: readonly Uint8Array[]): readonly string[] {
    return this.#transaction(() =>
      blobs.map((bytes) => {
        const digest = sha256(bytes);
        this.#get("insert into blob values (?, ?) on conflict do nothing", digest, bytes);
        return digest;
      }),
    );
  }

  getBlob(digest: string): Uint8Array | null {
    return asStoreError(this.#options.path, () => {
      const row = this.#statement("select bytes from blob where digest = ?").get(digest);
      const bytes = row?.["bytes"];
      if (!(bytes instanceof Uint8Array)) return null;
      if (sha256(bytes) === digest) return bytes;
      throw new CairnError("store.corrupt", `The stored content ${digest} is damaged.`);
    });
  }

  close(): void {
    this.#database.close();
  }

  /** Makes or checks the file's schema; returns whether the store was made with our key. */
  #prepareSchema(): boolean {
    const keyId = createHmac("sha256", this.#options.key).update("cairn store").digest("hex");
    const version = Number(this.#database.prepare("pragma user_version").get()?.["user_version"]);
    if (version > schemaVersion) {
      throw new CairnError(
        "store.newer",
        `The store ${this.#options.path} was written by a newer Cairn (version ${version}). Update Cairn to open it.`,
      );
    }
    if (version === 0) {
      this.#transaction(() => {
        const again = this.#database.prepare("pragma user_version").get()?.["user_version"];
        if (Number(again) !== 0) return;
        this.#database.exec(`${schema} pragma user_version = ${schemaVersion};`);
        this.#get("insert into store values ('key', ?)", keyId);
      });
    }
    const stored = this.#statement("select value from store where name = 'key'").get()?.["value"];
    return stored === keyId;
  }

  #insert(number: number, seq: number, body: RecordBody): void {
    const text = JSON.stringify(body);
    const before = seq === 1 ? new Uint8Array() : this.#tip(number).mac;
    const mac = this.#sign(number, seq, before, text);
    this.#get("insert into record values (?, ?, ?)", number * perSession + seq, text, mac);
    this.#tips.set(number, { seq, mac });
  }

  #tip(number: number): { readonly seq: number; readonly mac: Uint8Array } {
    const known = this.#tips.get(number);
    if (known !== undefined) return known;
    const last = this.#statement(
      "select id, mac from record where id between ? and ? order by id desc limit 1",
    ).get(number * perSession, number * perSession + perSession - 1);
    const mac = last?.["mac"];
    if (!(mac instanceof Uint8Array)) throw corrupt(String(number), 1, "it has no records");
    return { seq: Number(last?.["id"]) % perSession, mac };
  }

  #verified(
    session: string,
    number: number,
    first: number,
    rows: readonly RecordRow[],
  ): readonly SessionRecord[] {
    let before: Uint8Array | null = first === 1 ? new Uint8Array() : null;
    return rows.map((row, index) => {
      const seq = first + index;
      if (row.id !== number * perSession + seq) throw corrupt(session, seq, "it is missing");
      if (this.#own && before !== null) {
        const mac = this.#sign(number, seq, before, row.body);
        if (row.mac.length !== mac.length || !timingSafeEqual(row.mac, mac)) {
          throw corrupt(session, seq, "it was changed outside Cairn");
        }
      }
      before = row.mac;
      return parsed(session, seq, row);
    });
  }

  #sign(number: number, seq: number, before: Uint8Array, body: string): Uint8Array {
    const mac = createHmac("sha256", this.#options.key);
    return mac.update(`${number}\n${seq}\n`).update(before).update(body).digest();
  }

  #row(session: string): SessionRow {
    const row = this.#statement(
      "select number, id, owner, lease_until, epoch from session where id = ?",
    ).get(session);
    if (row === undefined) {
      throw new CairnError("session.unknown", `There is no session ${session} in this workspace.`);
    }
    return {
      number: Number(row["number"]),
      id: String(row["id"]),
      owner: row["owner"] === null ? null : String(row["owner"]),
      leaseUntil: Number(row["lease_until"]),
      epoch: Number(row["epoch"]),
    };
  }

  /** All or nothing; a failure leaves the store and our memory of it as they were. */
  #transaction<Result>(work: () => Result): Result {
    return asStoreError(this.#options.path, () => {
      this.#database.exec("begin immediate");
      try {
        const result = work();
        this.#database.exec("commit");
        return result;
      } catch (error) {
        this.#tips.clear();
        if (this.#database.isTransaction) this.#database.exec("rollback");
        throw error;
      }
    });
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #get(sql: string, ...values: (string | number | Uint8Array)[]): void {
    this.#statement(sql).run(...values);
  }

  #all(sql: string, ...values: number[]): readonly Record<string, unknown>[] {
    return this.#statement(sql).all(...values);
  }
}

function open(path: string): DatabaseSync {
  return asStoreError(path, () => {
    const database = new DatabaseSync(path);
    chmodSync(path, 0o600);
    // A short log is written over sooner than it grows, and a write that grows no file syncs faster.
    database.exec(
      "pragma busy_timeout = 5000; pragma journal_mode = wal; pragma synchronous = full; pragma secure_delete = on; pragma wal_autocheckpoint = 200;",
    );
    return database;
  });
}

function recordRow(row: Record<string, unknown>): RecordRow {
  const mac = row["mac"];
  return {
    id: Number(row["id"]),
    body: String(row["body"]),
    mac: mac instanceof Uint8Array ? mac : new Uint8Array(),
  };
}

function parsed(session: string, seq: number, row: RecordRow): SessionRecord {
  try {
    return { ...recordBody.parse(JSON.parse(row.body)), session, seq };
  } catch (error) {
    throw corrupt(session, seq, "it does not read", error);
  }
}

function corrupt(session: string, seq: number, why: string, cause?: unknown): CairnError {
  return new CairnError(
    "store.corrupt",
    `Record ${seq} of session ${session} is damaged: ${why}. The session is left as it is; other sessions are not affected.`,
    { cause, details: { session, seq } },
  );
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

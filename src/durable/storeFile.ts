import { chmodSync, statSync } from "node:fs";
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { asStoreError, sqliteCode } from "./storeError.ts";

export type Value = string | number | Uint8Array | null;
export type Row = Readonly<Record<string, SQLOutputValue>>;

/** What became of one of several works that were done together. */
export type Outcome<Result> =
  | { readonly ok: true; readonly value: Result }
  | { readonly ok: false; readonly error: unknown };

/**
 * `secure_delete`: what is freed is zeroed. `cell_size_check`: damage is seen when a page is read.
 * A short log is written over sooner than it grows, and a write that grows no file syncs faster.
 * Large pages waste less of a record of a kilobyte; a store that exists keeps its own.
 */
const pragmas = `
pragma busy_timeout = 5000;
pragma page_size = 8192;
pragma synchronous = full;
pragma secure_delete = on;
pragma cell_size_check = on;
pragma temp_store = memory;
pragma trusted_schema = off;
pragma wal_autocheckpoint = 100;
`;

/** Statements name a session's tables, so there are some for each session. */
const mostStatements = 200;

/** SQLite's smallest page. */
const smallestFile = 512;

/** SQLite's codes for a file that is open for reading only, or could not be opened. */
const cannotWrite = new Set([8, 14]);

/** One SQLite file, synchronously. Everything it throws is a `CairnError`. */
export class StoreFile {
  readonly path: string;
  #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.path = path;
    this.#database = asStoreError(path, () => open(path));
  }

  /** Whether the file is too short to be one: what is left of one that was cut, which SQLite takes for a new one. */
  isStump(): boolean {
    const { size } = asStoreError(this.path, () => statSync(this.path));
    return size > 0 && size < smallestFile;
  }

  /** From now on it may be written to. Until then, not a byte of it changes. */
  openForWriting(): void {
    asStoreError(this.path, () => this.#database.exec("pragma journal_mode = wal"));
  }

  /** Statements that are used again and again are kept prepared. */
  run(sql: string, ...values: Value[]): void {
    this.#statement(sql).run(...values);
  }

  get(sql: string, ...values: Value[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  all(sql: string, ...values: Value[]): readonly Row[] {
    return this.#statement(sql).all(...values);
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  /** Sees one state of the store from beginning to end, whatever other processes do. */
  reading<Result>(work: () => Result): Result {
    return asStoreError(this.path, () => this.#within("begin", work));
  }

  /** All or nothing, on disk when it returns. */
  writing<Result>(work: () => Result): Result {
    return asStoreError(this.path, () => this.#within("begin immediate", work));
  }

  /** Works that share one sync, in order. One that fails leaves the others; a failed sync fails all. */
  writingTogether<Result>(works: readonly (() => Result)[]): readonly Outcome<Result>[] {
    try {
      const [only] = works;
      // One alone needs nothing to fall back to.
      if (only !== undefined && works.length === 1) {
        return [{ ok: true, value: this.writing(only) }];
      }
      return this.writing(() => works.map((work) => this.#apart(work)));
    } catch (error) {
      return works.map(() => ({ ok: false, error }));
    }
  }

  /** Empties the log into the file. False when a reader elsewhere keeps it from being emptied. */
  emptyLog(): boolean {
    return asStoreError(
      this.path,
      () => Number(this.#database.prepare("pragma wal_checkpoint(truncate)").get()?.["busy"]) === 0,
    );
  }

  close(): void {
    this.#database.close();
  }

  #within<Result>(begin: "begin" | "begin immediate", work: () => Result): Result {
    if (this.#database.isTransaction) return work();
    this.run(begin);
    try {
      const result = work();
      this.run("commit");
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("rollback");
      if (cannotWrite.has(sqliteCode(error) & 0xff)) this.#openAgain();
      throw error;
    }
  }

  /**
   * SQLite opens a file for reading when it cannot be opened for writing at that moment (no file
   * handles left, an error of the disk), and keeps it so. Opened again, it can be written to once
   * the cause is gone.
   */
  #openAgain(): void {
    let database: DatabaseSync | null = null;
    try {
      database = open(this.path);
    } catch {
      // Not yet: the next write fails and tries again.
      return;
    }
    this.#statements.clear();
    this.#database.close();
    this.#database = database;
  }

  #apart<Result>(work: () => Result): Outcome<Result> {
    this.#database.exec("savepoint apart");
    try {
      const value = asStoreError(this.path, work);
      this.#database.exec("release apart");
      return { ok: true, value };
    } catch (error) {
      // SQLite gave up the whole transaction: then it has failed for all.
      if (!this.#database.isTransaction) throw error;
      this.#database.exec("rollback to apart; release apart");
      return { ok: false, error };
    }
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    const [oldest] = this.#statements.keys();
    if (this.#statements.size > mostStatements && oldest !== undefined)
      this.#statements.delete(oldest);
    return statement;
  }
}

function open(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    chmodSync(path, 0o600);
    database.exec(pragmas);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

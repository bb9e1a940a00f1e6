import { CairnError } from "../core/errors.ts";
import type { CreateOptions, Lease, StoreProblem } from "../core/ports.ts";
import type { PackedRecord } from "./recordText.ts";
import { SessionTable, type Ownership, type SessionRow } from "./sessionTable.ts";
import { StoreCheck } from "./storeCheck.ts";
import { StoredContent } from "./storedContent.ts";
import { StoredRecords, type RecordTexts } from "./storedRecords.ts";
import { asStoreError } from "./storeError.ts";
import { StoreFile, type Outcome } from "./storeFile.ts";
import { contentOf, prepareSchema, recordsOf } from "./storeSchema.ts";

export interface StoreOptions extends Ownership {
  readonly path: string;
  /** Signs every record. Kept outside the workspace: a store that a stranger shipped does not verify. */
  readonly key: Uint8Array;
}

/** A summary whose records are still text. */
export interface SummaryText {
  readonly session: string;
  readonly first: RecordTexts;
  readonly last: RecordTexts;
  readonly records: number;
  readonly held: boolean;
  readonly readOnly: boolean;
}

/** What may share a sync with others of its kind. */
export type SharedWrite =
  | { readonly method: "append"; readonly args: readonly [Lease, PackedRecord] }
  | { readonly method: "putBlobs"; readonly args: readonly [string, readonly Uint8Array[]] };

/** What a shared write gives back: the record's number, or the blobs' digests. */
export type Written = number | readonly string[];

/** Sessions in one SQLite file, synchronously: who may write to one, its records and its blobs. */
export class SqliteStore {
  readonly #file: StoreFile;
  readonly #sessions: SessionTable;
  readonly #content: StoredContent;
  readonly #records: StoredRecords;
  readonly #check: StoreCheck;
  /** False for a store that was made with another key: it is history, to be read. */
  readonly #own: boolean;
  /** Leases that were given out here, to be renewed. */
  readonly #leases = new Map<string, Lease>();

  constructor(options: StoreOptions) {
    const { path, key } = options;
    this.#file = new StoreFile(path);
    try {
      this.#own = prepareSchema(this.#file, key);
    } catch (error) {
      this.#file.close();
      throw error;
    }
    this.#sessions = new SessionTable(this.#file, options);
    this.#content = new StoredContent(this.#file);
    this.#records = new StoredRecords(this.#file, this.#content, { key, own: this.#own });
    const parts = { sessions: this.#sessions, records: this.#records, content: this.#content };
    this.#check = new StoreCheck(this.#file, parts);
  }

  create(session: string, first: PackedRecord, { sharesBlobsOf }: CreateOptions): Lease {
    return this.#writing(() => {
      const source = sharesBlobsOf === undefined ? null : this.#sessions.row(sharesBlobsOf);
      const row = this.#sessions.add(session, false);
      this.#records.append(row, first);
      if (source !== null) this.#content.share(source.number, row.number);
      return this.#keep(this.#sessions.take(row, 1));
    });
  }

  claim(session: string): Lease {
    return this.#writing(() => {
      const row = this.#sessions.row(session);
      if (row.readOnly) {
        throw new CairnError(
          "session.readOnly",
          `Session ${session} was imported. It can be looked at, exported and deleted, not continued.`,
        );
      }
      this.#sessions.refuseHeld(row);
      const { seq } = this.#inSession(session, () => this.#records.tip(row));
      return this.#keep(this.#sessions.take(row, seq));
    });
  }

  release(lease: Lease): void {
    this.#drop(lease);
    this.#file.writing(() => this.#giveBack(lease));
  }

  /** Renews every lease that was neither given back nor lost. */
  renew(): void {
    if (this.#leases.size === 0) return;
    this.#file.writing(() => {
      for (const lease of this.#leases.values()) {
        const row = this.#sessions.ofLease(lease);
        if (row === null) this.#drop(lease);
        else this.#sessions.renew(row, this.#records.tip(row).seq);
      }
    });
  }

  /** Writes of several calls with one sync, in order, each with its own outcome. */
  together(writes: readonly SharedWrite[]): readonly Outcome<Written>[] {
    const outcomes = this.#file.writingTogether<Written>(
      writes.map((write) => () => {
        this.#refuseForeign();
        return write.method === "append" ? this.#append(...write.args) : this.#put(...write.args);
      }),
    );
    if (outcomes.some(({ ok }) => !ok)) this.#records.forget();
    return outcomes;
  }

  /** Hands over the records after `afterSeq`, in order. */
  read(session: string, afterSeq: number, take: (texts: RecordTexts) => void): void {
    this.#file.reading(() => {
      const row = this.#sessions.row(session);
      this.#inSession(session, () => this.#records.read(row, afterSeq, take));
    });
  }

  /** Ids of all sessions, newest first. */
  sessions(): readonly string[] {
    return this.#file.reading(() => this.#sessions.rows().map(({ id }) => id));
  }

  /** Newest first. */
  list(): readonly SummaryText[] {
    return this.#eachSound((row) => this.#summary(row));
  }

  /** What is wrong with the store as a whole. */
  checkStore(): readonly StoreProblem[] {
    if (this.#own) return [];
    return [{ session: "", reason: foreign(this.#file.path) }];
  }

  checkSession(session: string, all: boolean): ReturnType<StoreCheck["session"]> {
    return this.#check.session(session, all);
  }

  checkBlobs(afterId: number): ReturnType<StoreCheck["blobs"]> {
    return this.#check.blobs(afterId);
  }

  checkFile(): readonly StoreProblem[] {
    return this.#check.file();
  }

  /** The record of the newest outcome with this key that any session may use. */
  recall(key: string): { readonly session: string; readonly record: RecordTexts } | null {
    if (!this.#own) return null;
    return this.#file.reading(() => {
      const found = this.#file.all(
        "select session.id as id, seq from outcome join session on session.number = outcome.session where key = ? order by outcome.id desc",
        key,
      );
      for (const { id, seq } of found) {
        const row = this.#sessions.row(String(id));
        try {
          const record = this.#inSession(row.id, () => this.#records.at(row, Number(seq)));
          return { session: row.id, record };
        } catch (error) {
          if (!CairnError.is(error, "store.corrupt")) throw error;
        }
      }
      return null;
    });
  }

  getBlob(digest: string): Uint8Array | null {
    return this.#file.reading(() => this.#content.get(Buffer.from(digest, "hex")));
  }

  blobsOf(session: string): readonly string[] {
    return this.#file.reading(() => this.#content.digestsOf(this.#sessions.row(session).number));
  }

  sizes(): ReadonlyMap<string, number> {
    return new Map(this.#eachSound((row) => [row.id, this.#size(row)]));
  }

  remove(session: string): void {
    this.#file.writing(() => {
      const row = this.#sessions.row(session);
      this.#sessions.refuseHeld(row);
      this.#inSession(session, () => {
        this.#content.leave(row.number);
        this.#file.run("delete from outcome where session = ?", row.number);
        this.#file.run("delete from session where number = ?", row.number);
        const tables = [recordsOf(row.number), contentOf(row.number)];
        for (const table of tables) this.#file.exec(`drop table ${table}`);
      });
    });
    this.#records.forget();
    this.#check.forget(session);
    if (this.#file.emptyLog()) return;
    throw new CairnError(
      "store.unwritable",
      `Session ${session} is removed, but another process reads the store, so what it held may still be in ${this.#file.path}-wal. It is gone when the last window closes.`,
    );
  }

  import(session: string, records: readonly PackedRecord[], blobs: readonly Uint8Array[]): void {
    if (records.length === 0) {
      throw new CairnError("usage.invalid", `Session ${session} has no records to import.`);
    }
    this.#writing(() => {
      const row = this.#sessions.add(session, true);
      // What another machine did is shown, never served.
      for (const record of records) this.#records.append(row, { ...record, recallKey: null });
      for (const bytes of blobs) this.#content.put(row.number, bytes, "tree");
      this.#sessions.noteRecords(row, records.length);
    });
  }

  /** A number that is another one as soon as another process has written. */
  version(): number {
    return this.#file.reading(() =>
      Number(this.#file.get("pragma data_version")?.["data_version"]),
    );
  }

  /** Gives every lease back and closes. */
  close(): void {
    // One that cannot be given back runs out by itself.
    const leases = [...this.#leases.values()];
    if (leases.length > 0) {
      this.#file.writingTogether(leases.map((lease) => () => this.#giveBack(lease)));
    }
    this.#file.close();
  }

  #append(lease: Lease, record: PackedRecord): number {
    const row = this.#sessions.row(lease.session);
    if (row.epoch !== lease.epoch) {
      this.#drop(lease);
      throw new CairnError(
        "session.lost",
        `Session ${lease.session} was taken over by another window or process. Nothing was written here.`,
      );
    }
    return this.#inSession(lease.session, () => this.#records.append(row, record));
  }

  #put(session: string, blobs: readonly Uint8Array[]): readonly string[] {
    const { number } = this.#sessions.row(session);
    return blobs.map((bytes) =>
      Buffer.from(this.#content.put(number, bytes, "tree")).toString("hex"),
    );
  }

  #summary(row: SessionRow): SummaryText {
    const records = this.#records.count(row);
    return {
      session: row.id,
      first: this.#records.at(row, 1),
      last: this.#records.at(row, records),
      records,
      held: this.#sessions.isHeld(row),
      readOnly: row.readOnly || !this.#own,
    };
  }

  #size({ number }: SessionRow): number {
    const row = this.#file.get(
      `select sum(octet_length(body) + octet_length(mac)) as bytes from ${recordsOf(number)}`,
    );
    return Number(row?.["bytes"] ?? 0) + this.#content.bytesOfOnly(number);
  }

  /** What there is to say of each session that reads, newest first. The others are named by checks. */
  #eachSound<Result>(look: (row: SessionRow) => Result): readonly Result[] {
    return this.#file.reading(() =>
      this.#sessions.rows().flatMap((row) => {
        try {
          return [this.#inSession(row.id, () => look(row))];
        } catch (error) {
          if (CairnError.is(error, "store.corrupt")) return [];
          throw error;
        }
      }),
    );
  }

  #keep(lease: Lease): Lease {
    this.#leases.set(lease.session, lease);
    return lease;
  }

  /** Stops renewing a lease; a newer one of the same session stays. */
  #drop({ session, epoch }: Lease): void {
    if (this.#leases.get(session)?.epoch === epoch) this.#leases.delete(session);
  }

  #giveBack(lease: Lease): void {
    const row = this.#sessions.ofLease(lease);
    if (row !== null) this.#sessions.giveBack(row, this.#records.tip(row).seq);
  }

  #refuseForeign(): void {
    if (!this.#own) throw new CairnError("store.unverified", foreign(this.#file.path));
  }

  #writing<Result>(work: () => Result): Result {
    this.#refuseForeign();
    try {
      return this.#file.writing(work);
    } catch (error) {
      // What it appended was not written.
      this.#records.forget();
      throw error;
    }
  }

  /** Damage that SQLite meets in a session's own pages is that session's. */
  #inSession<Result>(session: string, work: () => Result): Result {
    return asStoreError(this.#file.path, work, session);
  }
}

function foreign(path: string): string {
  return `The store ${path} was not recorded with this machine's key. Its sessions can be read, not continued; move it away to start new ones.`;
}

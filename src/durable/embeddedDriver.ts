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
import { packRecord } from "./packRecord.ts";
import { parseRecords } from "./parseRecords.ts";
import { RecordBells } from "./recordBells.ts";
import type { RecordTexts } from "./storedRecords.ts";
import { corruptRecord } from "./storeError.ts";
import { StoreThread } from "./storeThread.ts";

export interface EmbeddedOptions {
  /** The built store worker. */
  readonly worker: URL;
  readonly path: string;
  /** Signs every record. Kept outside the workspace. */
  readonly key: Uint8Array;
  readonly owner: string;
  /** How long a lease holds whose owner is stopped. The same for every process of a store. */
  readonly leaseMs?: number;
}

const usualLeaseMs = 20_000;
const nobodyWaits = (): void => {};

/** The driver for one machine: SQLite in a worker thread, many windows and processes on one file. */
export class EmbeddedDriver implements DurableDriver {
  readonly #thread: StoreThread;
  readonly #bells = new RecordBells();
  #watchers = 0;
  #closed = false;

  constructor({ worker, path, key, owner, leaseMs = usualLeaseMs }: EmbeddedOptions) {
    const data = { path, key, owner, leaseMs };
    this.#thread = new StoreThread(worker, data, () => this.#bells.ringAll());
  }

  async create(session: string, first: RecordBody, options: CreateOptions = {}): Promise<Lease> {
    return this.#thread.call("create", [session, packRecord(first).packed, options]);
  }

  async claim(session: string): Promise<Lease> {
    return this.#thread.call("claim", [session]);
  }

  async release(lease: Lease): Promise<void> {
    // A lease that cannot be given back runs out by itself.
    await this.#thread.call("release", [lease]).catch(() => {});
  }

  async append(lease: Lease, body: RecordBody): Promise<SessionRecord> {
    const { record, packed } = packRecord(body);
    const seq = await this.#thread.call("append", [lease, packed]);
    this.#bells.ring(lease.session);
    return { ...record, session: lease.session, seq };
  }

  async read(session: string, afterSeq = 0): Promise<readonly SessionRecord[]> {
    const records: SessionRecord[] = [];
    const damage: CairnError[] = [];
    await this.#thread.call("read", [session, afterSeq], (part) => {
      try {
        for (const record of parseRecords(session, part)) records.push(record);
      } catch (error) {
        if (!CairnError.is(error)) throw error;
        damage.push(error);
      }
    });
    const [first] = damage;
    if (first !== undefined) throw first;
    return records;
  }

  async *watch(
    session: string,
    afterSeq: number,
    signal: AbortSignal,
  ): AsyncGenerator<SessionRecord> {
    const over = (): boolean => signal.aborted || this.#closed;
    let wake = nobodyWaits;
    let seen = afterSeq;
    const bell = this.#bells.add(session, () => wake());
    const aborted = (): void => wake();
    signal.addEventListener("abort", aborted);
    try {
      await this.#watch(1);
      while (!over()) {
        // Made before reading: what comes while the store is read rings too.
        const rung = new Promise<void>((resolve) => (wake = resolve));
        for (const record of await this.read(session, seen)) {
          if (over()) return;
          seen = record.seq;
          yield record;
        }
        if (!over()) await rung;
      }
    } catch (error) {
      if (!over()) throw error;
    } finally {
      signal.removeEventListener("abort", aborted);
      bell();
      await this.#watch(-1);
    }
  }

  async list(): Promise<readonly SessionSummary[]> {
    const summaries = await this.#thread.call("list", []);
    return summaries.flatMap(({ session, first, last, records, held, readOnly }) => {
      const ends = soundOnly(() => ({
        first: parseRecord(session, first),
        last: parseRecord(session, last),
      }));
      return ends === null ? [] : [{ session, ...ends, records, held, readOnly }];
    });
  }

  async problems(): Promise<readonly StoreProblem[]> {
    return this.#sessionProblems(false);
  }

  async verify(): Promise<readonly StoreProblem[]> {
    const found = [...(await this.#thread.call("checkFile", []))];
    found.push(...(await this.#sessionProblems(true)));
    let last: number | null = 0;
    while (last !== null) {
      const blobs: { problems: readonly StoreProblem[]; last: number | null } =
        await this.#thread.call("checkBlobs", [last]);
      found.push(...blobs.problems);
      ({ last } = blobs);
    }
    return found;
  }

  async recall(key: string): Promise<Recalled | null> {
    const found = await this.#thread.call("recall", [key]);
    const record = found === null ? null : parseRecord(found.session, found.record);
    if (record?.kind !== "step.completed" || record.key !== key) return null;
    return { session: record.session, output: record.output };
  }

  async putBlobs(session: string, blobs: readonly Uint8Array[]): Promise<readonly string[]> {
    return this.#thread.call("putBlobs", [session, blobs]);
  }

  async getBlob(digest: string): Promise<Uint8Array | null> {
    return this.#thread.call("getBlob", [digest]);
  }

  async blobsOf(session: string): Promise<readonly string[]> {
    return this.#thread.call("blobsOf", [session]);
  }

  async sizes(): Promise<ReadonlyMap<string, number>> {
    return this.#thread.call("sizes", []);
  }

  async remove(session: string): Promise<void> {
    await this.#thread.call("remove", [session]);
    this.#bells.ring(session);
  }

  async import(
    session: string,
    records: readonly RecordBody[],
    blobs: readonly Uint8Array[],
  ): Promise<void> {
    const packed = records.map((record) => packRecord(record).packed);
    await this.#thread.call("import", [session, packed, blobs]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#bells.ringAll();
    await this.#thread.end();
  }

  /** One call a session, so that others come between. */
  async #sessionProblems(all: boolean): Promise<readonly StoreProblem[]> {
    const found = [...(await this.#thread.call("checkStore", []))];
    for (const session of await this.#thread.call("sessions", [])) {
      const { problems, unchecked } = await this.#thread.call("checkSession", [session, all]);
      found.push(...problems);
      if (problems.length === 0 && unchecked > 0) found.push(...(await this.#misshapen(session)));
    }
    return found;
  }

  /** Reading a session checks the shape of what was not checked before it was signed. */
  async #misshapen(session: string): Promise<readonly StoreProblem[]> {
    try {
      await this.read(session);
      return [];
    } catch (error) {
      if (CairnError.is(error, "store.corrupt")) return [{ session, reason: error.message }];
      if (CairnError.is(error, "session.unknown")) return [];
      throw error;
    }
  }

  /** Other processes are looked at only while somebody watches. */
  async #watch(change: 1 | -1): Promise<void> {
    const before = this.#watchers;
    this.#watchers += change;
    if (this.#closed || (before > 0 && this.#watchers > 0)) return;
    await this.#thread.call("watch", [this.#watchers > 0]);
  }
}

function parseRecord(session: string, part: RecordTexts): SessionRecord {
  const [record] = parseRecords(session, part);
  if (record !== undefined) return record;
  throw corruptRecord(session, part.first, "it is missing");
}

/** Null for a session that does not read: it is named by `problems`. */
function soundOnly<Result>(read: () => Result): Result | null {
  try {
    return read();
  } catch (error) {
    if (CairnError.is(error, "store.corrupt")) return null;
    throw error;
  }
}

import { createHash } from "node:crypto";
import { CairnError } from "../../src/core/errors.ts";
import type {
  CreateOptions,
  DurableDriver,
  Lease,
  Recalled,
  SessionSummary,
} from "../../src/core/ports.ts";
import { recordBody, type RecordBody, type SessionRecord } from "../../src/core/records.ts";

interface Stored {
  epoch: number;
  owner: MemoryDriver | null;
  readonly readOnly: boolean;
  readonly records: SessionRecord[];
  readonly blobs: Set<string>;
}

/** What several drivers have in common: a disk that is a map. */
class Disk {
  readonly sessions = new Map<string, Stored>();
  readonly blobs = new Map<string, Uint8Array>();
  /** Outcomes that may be recalled, oldest first. */
  readonly outcomes: { readonly key: string; readonly recalled: Recalled }[] = [];
  readonly watchers = new Set<() => void>();
  /** Epochs are never used twice, so that a lease on a removed session fits no other. */
  epochs = 0;

  wakeWatchers(): void {
    for (const wake of this.watchers) wake();
  }
}

/** A driver whose disk is a map. Passes the same contract as the real one. */
export class MemoryDriver implements DurableDriver {
  readonly #disk: Disk;
  #closed = false;
  /** Called before each append; a test kills, cuts or counts here. */
  beforeAppend: (body: RecordBody) => void = () => {};

  /** Another driver's disk, or a new one. */
  constructor(beside: MemoryDriver | null = null) {
    this.#disk = beside === null ? new Disk() : beside.#disk;
  }

  async create(session: string, first: RecordBody, options: CreateOptions = {}): Promise<Lease> {
    this.#refuseTaken(session);
    const { sharesBlobsOf } = options;
    const blobs = sharesBlobsOf === undefined ? [] : this.#stored(sharesBlobsOf).blobs;
    const records = [{ ...checked(first), session, seq: 1 }];
    const epoch = (this.#disk.epochs += 1);
    this.#disk.sessions.set(session, {
      epoch,
      owner: this,
      readOnly: false,
      records,
      blobs: new Set(blobs),
    });
    return { session, epoch };
  }

  async claim(session: string): Promise<Lease> {
    const stored = this.#stored(session);
    if (stored.readOnly) {
      throw new CairnError("session.readOnly", `Session ${session} was imported.`);
    }
    this.#refuseHeld(session, stored);
    stored.owner = this;
    stored.epoch = this.#disk.epochs += 1;
    return { session, epoch: stored.epoch };
  }

  async release(lease: Lease): Promise<void> {
    const stored = this.#disk.sessions.get(lease.session);
    if (stored?.epoch === lease.epoch) stored.owner = null;
  }

  async append(lease: Lease, body: RecordBody): Promise<SessionRecord> {
    const stored = this.#stored(lease.session);
    if (stored.epoch !== lease.epoch) {
      throw new CairnError("session.lost", `Session ${lease.session} was taken over.`);
    }
    this.beforeAppend(body);
    const record = { ...checked(body), session: lease.session, seq: stored.records.length + 1 };
    stored.records.push(record);
    this.#remember(record);
    this.#disk.wakeWatchers();
    return record;
  }

  async read(session: string, afterSeq = 0): Promise<readonly SessionRecord[]> {
    return this.#stored(session).records.slice(afterSeq);
  }

  async *watch(
    session: string,
    afterSeq: number,
    signal: AbortSignal,
  ): AsyncGenerator<SessionRecord> {
    let seen = afterSeq;
    const over = (): boolean => signal.aborted || this.#closed;
    while (!over()) {
      for (const record of this.#stored(session).records.slice(seen)) {
        if (over()) return;
        seen = record.seq;
        yield record;
      }
      if (!over() && this.#stored(session).records.length === seen) await this.#change(signal);
    }
  }

  async list(): Promise<readonly SessionSummary[]> {
    return [...this.#disk.sessions].toReversed().flatMap(([session, stored]) => {
      const { records, owner, readOnly } = stored;
      const [first] = records;
      const last = records.at(-1);
      if (first === undefined || last === undefined) return [];
      return [{ session, first, last, records: records.length, held: owner !== null, readOnly }];
    });
  }

  async problems(): Promise<readonly []> {
    return [];
  }

  async verify(): Promise<readonly []> {
    return [];
  }

  async recall(key: string): Promise<Recalled | null> {
    return this.#disk.outcomes.findLast((outcome) => outcome.key === key)?.recalled ?? null;
  }

  async putBlobs(session: string, blobs: readonly Uint8Array[]): Promise<readonly string[]> {
    return this.#keep(this.#stored(session), blobs);
  }

  async getBlob(digest: string): Promise<Uint8Array | null> {
    return this.#disk.blobs.get(digest) ?? null;
  }

  async blobsOf(session: string): Promise<readonly string[]> {
    return [...this.#stored(session).blobs].toSorted();
  }

  async sizes(): Promise<ReadonlyMap<string, number>> {
    return new Map([...this.#disk.sessions].map(([id, stored]) => [id, this.#size(stored)]));
  }

  async remove(session: string): Promise<void> {
    const stored = this.#stored(session);
    this.#refuseHeld(session, stored);
    const { sessions, blobs, outcomes } = this.#disk;
    sessions.delete(session);
    for (const digest of stored.blobs) if (!this.#isReferred(digest)) blobs.delete(digest);
    const left = outcomes.filter(({ recalled }) => recalled.session !== session);
    outcomes.splice(0, outcomes.length, ...left);
    this.#disk.wakeWatchers();
  }

  async import(
    session: string,
    bodies: readonly RecordBody[],
    blobs: readonly Uint8Array[],
  ): Promise<void> {
    this.#refuseTaken(session);
    if (bodies.length === 0) throw new CairnError("usage.invalid", "There are no records.");
    const records = bodies.map((body, index) => ({ ...checked(body), session, seq: index + 1 }));
    const stored: Stored = { epoch: 0, owner: null, readOnly: true, records, blobs: new Set() };
    this.#disk.sessions.set(session, stored);
    this.#keep(stored, blobs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const stored of this.#disk.sessions.values()) {
      if (stored.owner === this) stored.owner = null;
    }
    this.#disk.wakeWatchers();
  }

  /** What a SIGKILL leaves: the records, and a lease that nobody gives back. */
  crash(): void {
    for (const stored of this.#disk.sessions.values()) stored.owner = null;
  }

  #stored(session: string): Stored {
    const stored = this.#disk.sessions.get(session);
    if (stored !== undefined) return stored;
    throw new CairnError("session.unknown", `There is no session ${session}.`);
  }

  #refuseTaken(session: string): void {
    if (!this.#disk.sessions.has(session)) return;
    throw new CairnError("usage.invalid", `There is a session ${session} already.`);
  }

  #refuseHeld(session: string, stored: Stored): void {
    if (stored.owner === null) return;
    throw new CairnError("session.busy", `Session ${session} is running.`);
  }

  #keep(stored: Stored, blobs: readonly Uint8Array[]): readonly string[] {
    return blobs.map((bytes) => {
      const digest = createHash("sha256").update(bytes).digest("hex");
      if (!this.#disk.blobs.has(digest)) this.#disk.blobs.set(digest, Uint8Array.from(bytes));
      stored.blobs.add(digest);
      return digest;
    });
  }

  #isReferred(digest: string, except: Stored | null = null): boolean {
    return [...this.#disk.sessions.values()].some(
      (stored) => stored !== except && stored.blobs.has(digest),
    );
  }

  /** Records, each outcome once, and blobs that no other session refers to. */
  #size(stored: Stored): number {
    const texts = new Set(
      stored.records.map((record) =>
        JSON.stringify(record.kind === "step.completed" ? record.output : record),
      ),
    );
    let bytes = [...texts].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    for (const digest of stored.blobs) {
      if (!this.#isReferred(digest, stored)) bytes += this.#disk.blobs.get(digest)?.length ?? 0;
    }
    return bytes;
  }

  #remember(record: SessionRecord): void {
    if (record.kind !== "step.completed") return;
    if (record.cache !== "workspace" || record.via !== "run") return;
    const { key, session, output } = record;
    this.#disk.outcomes.push({ key, recalled: { session, output } });
  }

  /** Resolves at the next change of any session, or when the signal aborts. */
  async #change(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#disk.watchers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#disk.watchers.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}

/** A copy of what may be kept; what may not is refused before anything is written. */
function checked(body: RecordBody): RecordBody {
  const parsed = recordBody.safeParse(body);
  if (parsed.success) return structuredClone(body);
  throw new CairnError("usage.invalid", "That is no record.", { cause: parsed.error });
}

import { createHash } from "node:crypto";
import { CairnError } from "../../src/core/errors.ts";
import type { DurableDriver, Lease, SessionSummary } from "../../src/core/ports.ts";
import type { RecordBody, SessionRecord } from "../../src/core/records.ts";

interface Stored {
  epoch: number;
  held: boolean;
  readonly records: SessionRecord[];
}

/** A driver whose disk is a map. Passes the same contract as the real one. */
export class MemoryDriver implements DurableDriver {
  readonly #sessions = new Map<string, Stored>();
  readonly #blobs = new Map<string, Uint8Array>();
  /** Called before each append; a test kills, cuts or counts here. */
  beforeAppend: (body: RecordBody) => void = () => {};

  async create(session: string, first: RecordBody): Promise<Lease> {
    const records: SessionRecord[] = [{ ...first, session, seq: 1 }];
    this.#sessions.set(session, { epoch: 1, held: true, records });
    return { session, epoch: 1 };
  }

  async claim(session: string): Promise<Lease> {
    const stored = this.#stored(session);
    if (stored.held) throw new CairnError("session.busy", `Session ${session} is running.`);
    stored.held = true;
    stored.epoch += 1;
    return { session, epoch: stored.epoch };
  }

  async release(lease: Lease): Promise<void> {
    const stored = this.#stored(lease.session);
    if (stored.epoch === lease.epoch) stored.held = false;
  }

  async append(lease: Lease, body: RecordBody): Promise<SessionRecord> {
    const stored = this.#stored(lease.session);
    if (stored.epoch !== lease.epoch) {
      throw new CairnError("session.lost", `Session ${lease.session} was taken over.`);
    }
    this.beforeAppend(body);
    const copy = structuredClone(body);
    const record = { ...copy, session: lease.session, seq: stored.records.length + 1 };
    stored.records.push(record);
    return record;
  }

  async read(session: string, afterSeq = 0): Promise<readonly SessionRecord[]> {
    return this.#stored(session).records.slice(afterSeq);
  }

  async list(): Promise<readonly SessionSummary[]> {
    return [...this.#sessions].toReversed().flatMap(([session, { records, held }]) => {
      const [first] = records;
      const last = records.at(-1);
      if (first === undefined || last === undefined) return [];
      return [{ session, first, last, records: records.length, held }];
    });
  }

  async problems(): Promise<readonly []> {
    return [];
  }

  async putBlobs(blobs: readonly Uint8Array[]): Promise<readonly string[]> {
    return blobs.map((bytes) => {
      const digest = createHash("sha256").update(bytes).digest("hex");
      this.#blobs.set(digest, bytes);
      return digest;
    });
  }

  async getBlob(digest: string): Promise<Uint8Array | null> {
    return this.#blobs.get(digest) ?? null;
  }

  async close(): Promise<void> {
    for (const stored of this.#sessions.values()) stored.held = false;
  }

  /** What a SIGKILL leaves: the records, and a lease that nobody gives back. */
  crash(): void {
    for (const stored of this.#sessions.values()) stored.held = false;
  }

  #stored(session: string): Stored {
    const stored = this.#sessions.get(session);
    if (stored !== undefined) return stored;
    throw new CairnError("session.unknown", `There is no session ${session}.`);
  }
}

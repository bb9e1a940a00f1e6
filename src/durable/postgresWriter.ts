import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import type { Lease } from "../core/ports.ts";
import type { RecordBody, SessionRecord } from "../core/records.ts";
import type { PostgresConnection, Query, Statement } from "./postgresConnection.ts";
import {
  chainOf,
  newRecord,
  signRecords,
  type NewRecord,
  type SignedRecord,
  type Tip,
} from "./postgresRecord.ts";
import type { RecordChain } from "./recordChain.ts";

interface Waiting {
  readonly text: NewRecord;
  readonly resolve: (record: SessionRecord) => void;
  readonly reject: (error: unknown) => void;
}

/** One statement is at most this many records and characters. */
const batchRecords = 200;
const batchCharacters = 8_000_000;

/**
 * The fence, the chain's place and the record, in one statement and one round trip. Sent twice,
 * the second finds another `records` and writes nothing.
 */
const appendOne = {
  name: "append one",
  text: `
    with fence as (
      update cairn.session set records = $3 + 1, tip = $5
      where id = $1 and epoch = $2 and records = $3
      returning number
    )
    insert into cairn.record (session, seq, body, mac, epoch)
    select number, $3 + 1, $4, $5, $2 from fence
    returning 1 as written`,
};
/** The same for several records, and for one that has an outcome beside it. */
const appendAll = {
  name: "append all",
  text: `
    with fence as (
      update cairn.session set records = $3 + cardinality($4::text[]), tip = $6
      where id = $1 and epoch = $2 and records = $3
      returning number
    ), written as (
      insert into cairn.record (session, seq, body, mac, epoch, payload)
      select number, $3 + place, body, mac, $2, payload
      from fence, unnest($4::text[], $5::bytea[], $7::text[]) with ordinality as new (body, mac, payload, place)
    ), kept as (
      insert into cairn.payload (session, digest, body)
      select number, digest, body
      from fence, unnest($8::text[], $9::text[]) as new (digest, body)
      on conflict do nothing
    ), recalled as (
      insert into cairn.recall (key, session, seq)
      select key, number, $3 + place
      from fence, unnest($10::text[]) with ordinality as new (key, place)
      where key is not null
    )
    select count(*)::integer as written from fence`,
};

/** Another owner may have recorded the very same in this place; only one of our epoch is ours. */
const look = {
  name: "look",
  text: `select r.mac from cairn.session s
    left join cairn.record r on r.session = s.number and r.seq = $2 and r.epoch = $3
    where s.id = $1`,
};
const looked = z.object({ mac: z.nullable(z.instanceof(Uint8Array)) });

/** Writes one session's records for one lease; those that come while one is on its way go together. */
export class PostgresWriter {
  readonly lease: Lease;
  readonly #database: PostgresConnection;
  readonly #chain: RecordChain;
  readonly #written: (session: string) => void;
  #tip: Tip;
  readonly #queue: Waiting[] = [];
  #writing = false;
  /** Records that were sent when the server went away: written or not, nobody knows yet. */
  #unsettled: readonly SignedRecord[] = [];
  #ended: CairnError | null = null;

  constructor(
    database: PostgresConnection,
    start: { readonly lease: Lease; readonly key: Uint8Array; readonly tip: Tip },
    written: (session: string) => void,
  ) {
    this.lease = start.lease;
    this.#database = database;
    this.#chain = chainOf(start.key, { session: start.lease.session, readOnly: false });
    this.#tip = start.tip;
    this.#written = written;
  }

  async append(record: RecordBody): Promise<SessionRecord> {
    const text = newRecord(record);
    return new Promise((resolve, reject) => {
      this.#queue.push({ text, resolve, reject });
      if (!this.#writing) void this.#writeAll();
    });
  }

  async #writeAll(): Promise<void> {
    this.#writing = true;
    while (this.#queue.length > 0) {
      const batch = this.#nextBatch();
      try {
        await this.#settle();
        const signed = signRecords(
          this.#chain,
          this.#tip,
          batch.map(({ text }) => text),
        );
        await this.#write(signed);
        const { session } = this.lease;
        for (const [index, { resolve }] of batch.entries()) {
          const written = signed[index];
          if (written !== undefined) resolve({ ...written.record, session, seq: written.seq });
        }
        this.#written(session);
      } catch (error) {
        // What was called after it may build on it.
        for (const { reject } of [...batch, ...this.#queue.splice(0)]) reject(error);
      }
    }
    this.#writing = false;
  }

  #nextBatch(): readonly Waiting[] {
    let characters = 0;
    let count = 0;
    for (const { text } of this.#queue.slice(0, batchRecords)) {
      characters += text.body.length + (text.payloadText?.length ?? 0);
      if (count > 0 && characters > batchCharacters) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  async #write(signed: readonly SignedRecord[]): Promise<void> {
    const last = signed.at(-1);
    if (last === undefined) return;
    const { session } = this.lease;
    const { statement, values } = this.#statement(signed, last);
    const tip = { seq: this.#tip.seq + signed.length, mac: last.mac };
    try {
      await this.#database.run(async (query) => {
        const [row] = await query(z.object({ written: z.number() }), statement, values);
        // Refused: by the fence, or because an attempt that was cut off had been written after all.
        if (row?.written !== 1 && !(await this.#holds(query, tip))) throw lost(session);
      });
      this.#tip = tip;
    } catch (error) {
      if (CairnError.is(error, "store.unavailable")) this.#unsettled = signed;
      throw error;
    }
  }

  #statement(
    signed: readonly SignedRecord[],
    last: SignedRecord,
  ): { readonly statement: Statement; readonly values: readonly unknown[] } {
    const place = [this.lease.session, this.lease.epoch, this.#tip.seq];
    if (signed.length === 1 && last.payload === null && last.recall === null) {
      return { statement: appendOne, values: [...place, last.body, last.mac] };
    }
    const payloads = new Map<string, string | null>();
    for (const { payload, payloadText } of signed) {
      if (payload !== null) payloads.set(payload, payloadText);
    }
    const values = [
      ...place,
      signed.map(({ body }) => body),
      signed.map(({ mac }) => mac),
      last.mac,
      signed.map(({ payload }) => payload),
      [...payloads.keys()],
      [...payloads.values()],
      signed.map(({ recall }) => recall),
    ];
    return { statement: appendAll, values };
  }

  /** Asks what became of records that were on their way when the server went away. */
  async #settle(): Promise<void> {
    if (this.#ended !== null) throw this.#ended;
    const last = this.#unsettled.at(-1);
    if (last === undefined) return;
    const tip = { seq: this.#tip.seq + this.#unsettled.length, mac: last.mac };
    const written = await this.#database.run(async (query) => this.#holds(query, tip));
    this.#unsettled = [];
    if (!written) return;
    // The caller was told otherwise, so what it knows of the session is behind.
    this.#ended = new CairnError(
      "session.lost",
      `The connection was cut while session ${this.lease.session} was recorded, and what was on its way had been written. Nothing was written now; resume to go on from there.`,
    );
    throw this.#ended;
  }

  async #holds(query: Query, tip: Tip): Promise<boolean> {
    const { session, epoch } = this.lease;
    const [row] = await query(looked, look, [session, tip.seq, epoch]);
    if (row === undefined) throw unknownSession(session);
    return row.mac !== null && Buffer.compare(row.mac, tip.mac) === 0;
  }
}

export function lost(session: string): CairnError {
  return new CairnError(
    "session.lost",
    `Session ${session} is no longer held here: it was given back, or taken over by another worker or process. Nothing was written here.`,
  );
}

export function unknownSession(session: string): CairnError {
  return new CairnError("session.unknown", `There is no session ${session} in this database.`);
}

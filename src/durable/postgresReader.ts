import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import type { Recalled, SessionSummary } from "../core/ports.ts";
import type { SessionRecord } from "../core/records.ts";
import type { PostgresConnection } from "./postgresConnection.ts";
import { unknownSession } from "./postgresWriter.ts";
import { chainOf, readRecord, readRecords, type StoredRecord } from "./postgresRecord.ts";
import { corruptRecord } from "./storeError.ts";

const bytes = z.instanceof(Uint8Array);

/** One statement, so that an append or a removal under way is seen whole or not at all. */
const records = {
  name: "read",
  text: `select s.records, s.key_id = $4 as own, s.imported, r.seq, r.body, r.payload, r.mac,
      p.body as "payloadText", r.seq < s.records or r.mac = s.tip as ends
    from cairn.session s
    left join cairn.record r on r.session = s.number and r.seq between $2 and least($3, s.records)
    left join cairn.payload p on p.session = s.number and p.digest = r.payload
    where s.id = $1 order by r.seq`,
};
const recordRow = z.object({
  records: z.number(),
  own: z.boolean(),
  imported: z.boolean(),
  seq: z.nullable(z.number()),
  body: z.nullable(z.string()),
  payload: z.nullable(z.string()),
  payloadText: z.nullable(z.string()),
  mac: z.nullable(bytes),
  ends: z.nullable(z.boolean()),
});

const summaries = `select s.id, s.records, s.imported or s.key_id <> $1 as "readOnly",
    exists (select from cairn.owner o where o.id = s.owner and o.alive_until > clock_timestamp()) as held,
    f.body as first, l.body as last, l.payload, p.body as "payloadText"
  from cairn.session s
  left join cairn.record f on f.session = s.number and f.seq = 1
  left join cairn.record l on l.session = s.number and l.seq = s.records
  left join cairn.payload p on p.session = s.number and p.digest = l.payload
  order by s.number desc`;
const summaryRow = z.object({
  id: z.string(),
  records: z.number(),
  readOnly: z.boolean(),
  held: z.boolean(),
  first: z.nullable(z.string()),
  last: z.nullable(z.string()),
  payload: z.nullable(z.string()),
  payloadText: z.nullable(z.string()),
});

const entryRow = z.object({
  id: z.string(),
  /** Never used again, unlike an id. */
  number: z.string(),
  records: z.number(),
  /** Recorded with another key. */
  foreign: z.boolean(),
});
export type SessionEntry = Readonly<z.infer<typeof entryRow>>;

const candidates = `select s.id, c.seq from cairn.recall c join cairn.session s on s.number = c.session
  where c.key = $1 and s.key_id = $2 and not s.imported order by c.id desc limit 50`;

/** Reads sessions, and trusts a record only when its signature fits. */
export class PostgresReader {
  readonly #database: PostgresConnection;
  readonly #key: Uint8Array;
  readonly #keyId: string;

  constructor(database: PostgresConnection, key: Uint8Array, keyId: string) {
    this.#database = database;
    this.#key = key;
    this.#keyId = keyId;
  }

  async read(
    session: string,
    afterSeq: number,
    last = 2 ** 31 - 1,
  ): Promise<readonly SessionRecord[]> {
    // The one before is read too: the first is signed together with it.
    const from = Math.max(afterSeq, 1);
    const rows = await this.#database.run(async (query) =>
      query(recordRow, records, [session, from, last, this.#keyId]),
    );
    const [head] = rows;
    if (head === undefined) throw unknownSession(session);
    const stored = rows.flatMap(({ seq, body, payload, payloadText, mac }): StoredRecord[] =>
      seq === null || body === null || mac === null
        ? []
        : [{ seq, body, payload, payloadText, mac }],
    );
    const end = Math.min(last, head.records);
    const found = from - 1 + stored.length;
    const read = readRecords(session, stored, {
      seq: from,
      before: from === 1 ? new Uint8Array() : null,
      chain: head.own ? chainOf(this.#key, { session, readOnly: head.imported }) : null,
    });
    if (found < end && from <= end) throw corruptRecord(session, found + 1, "it is missing");
    if (rows.some(({ ends }) => ends === false)) {
      throw corruptRecord(session, end, "it was not the last one that was written");
    }
    return afterSeq === 0 ? read : read.slice(1);
  }

  async list(): Promise<readonly SessionSummary[]> {
    const rows = await this.#database.run(async (query) =>
      query(summaryRow, { text: summaries }, [this.#keyId]),
    );
    return rows.flatMap((row) => {
      const { id, records: count, held, readOnly, payload, payloadText } = row;
      if (row.first === null || row.last === null) return [];
      try {
        const none = { payload: null, payloadText: null };
        const first = readRecord(id, { seq: 1, body: row.first, ...none });
        const last = readRecord(id, { seq: count, body: row.last, payload, payloadText });
        return [{ session: id, first, last, records: count, held, readOnly }];
      } catch (error) {
        if (CairnError.is(error, "store.corrupt")) return [];
        throw error;
      }
    });
  }

  async sessions(): Promise<readonly SessionEntry[]> {
    const text = `select id, number, records, key_id <> $1 as "foreign" from cairn.session order by number`;
    return this.#database.run(async (query) => query(entryRow, { text }, [this.#keyId]));
  }

  /** Throws `session.unknown`. */
  async find(session: string): Promise<void> {
    const text = "select from cairn.session where id = $1";
    const rows = await this.#database.run(async (query) => query(z.unknown(), { text }, [session]));
    if (rows.length === 0) throw unknownSession(session);
  }

  async recall(key: string): Promise<Recalled | null> {
    const row = z.object({ id: z.string(), seq: z.number() });
    const found = await this.#database.run(async (query) =>
      query(row, { name: "recall", text: candidates }, [key, this.#keyId]),
    );
    for (const { id, seq } of found) {
      const output = await this.#outcome(id, seq, key);
      if (output !== null) return output;
    }
    return null;
  }

  async sizes(): Promise<ReadonlyMap<string, number>> {
    const row = z.object({ id: z.string(), bytes: z.coerce.number() });
    const text = `select s.id,
        (select coalesce(sum(octet_length(body)), 0) from cairn.record where session = s.number)
        + (select coalesce(sum(octet_length(body)), 0) from cairn.payload where session = s.number)
        + (select coalesce(sum(octet_length(b.bytes)), 0)
           from cairn.blob_use u join cairn.blob b on b.digest = u.digest
           where u.session = s.number and not exists (
             select from cairn.blob_use o where o.digest = u.digest and o.session <> u.session)) as bytes
      from cairn.session s`;
    const rows = await this.#database.run(async (query) => query(row, { text, slow: true }));
    return new Map(rows.map(({ id, bytes: size }) => [id, size]));
  }

  /** Whether the server waits for its disk; when it does not, nothing that we say is on disk is. */
  async syncs(): Promise<boolean> {
    const row = z.object({ fsync: z.string() });
    const [found] = await this.#database.run(async (query) => query(row, { text: "show fsync" }));
    return found?.fsync === "on";
  }

  /** Null when the record does not verify, or is gone by now. */
  async #outcome(session: string, seq: number, key: string): Promise<Recalled | null> {
    try {
      const [record] = await this.read(session, seq - 1, seq);
      if (record?.kind !== "step.completed" || record.key !== key) return null;
      // The table of keys is not signed, the record is.
      if (record.cache !== "workspace" || record.via !== "run") return null;
      return { session, output: record.output };
    } catch (error) {
      if (CairnError.is(error, "store.corrupt")) return null;
      if (CairnError.is(error, "session.unknown")) return null;
      throw error;
    }
  }
}

import { corruptRecord } from "./storeError.ts";
import { RecordChain, sessionKey } from "./recordChain.ts";
import { bodyText, type PackedRecord } from "./recordText.ts";
import type { SessionRow } from "./sessionTable.ts";
import type { StoredContent } from "./storedContent.ts";
import type { Row, StoreFile } from "./storeFile.ts";
import { currentFormat, firstFormat, recordsOf } from "./storeSchema.ts";

interface RecordRow {
  readonly seq: number;
  readonly body: string;
  readonly mac: Uint8Array;
  readonly payload: Uint8Array | null;
}

interface Tip {
  readonly seq: number;
  readonly mac: Uint8Array;
}

/** A run of records as JSON texts of their bodies, with a comma between each. */
export interface RecordTexts {
  /** The number of the first. */
  readonly first: number;
  readonly texts: string;
  /** False where whoever parses them must check their shape: an older Cairn or another machine wrote them. */
  readonly checked: boolean;
}

/** Records that are sealed together, and read at once. */
const blockRows = 64;
/** No JSON text has a line end in it, so texts with this between them are those texts and no others. */
const between = ",\n";
const mostChains = 32;
const none = new Uint8Array();

/** The records of sessions, signed and checked. Every method runs inside the caller's transaction. */
export class StoredRecords {
  readonly #file: StoreFile;
  readonly #content: StoredContent;
  readonly #key: Uint8Array;
  /** False for a store of another key: nothing in it can be checked, so everything is parsed with care. */
  readonly #own: boolean;
  /** The newest signature by session number, so that an append need not read the one before. */
  readonly #tips = new Map<number, Tip>();
  /** By all that their keys are made of. */
  readonly #chains = new Map<string, RecordChain>();

  constructor(
    file: StoreFile,
    content: StoredContent,
    options: { readonly key: Uint8Array; readonly own: boolean },
  ) {
    this.#file = file;
    this.#content = content;
    this.#key = options.key;
    this.#own = options.own;
  }

  /** Appends one record and returns its number. */
  append(row: SessionRow, record: PackedRecord): number {
    const tip = this.#tips.get(row.number) ?? this.tip(row);
    const seq = tip.seq + 1;
    const payload =
      record.payload === null
        ? null
        : this.#content.put(row.number, Buffer.from(record.payload), "payload");
    const mac = this.#chain(row).sign(seq, tip.mac, { body: record.body, payload });
    this.#file.run(
      `insert into ${recordsOf(row.number)} (seq, body, mac, payload) values (?, ?, ?, ?)`,
      seq,
      record.body,
      mac,
      payload,
    );
    if (seq % blockRows === 0) this.#seal(row, seq);
    if (record.recallKey !== null) {
      this.#file.run(
        "insert into outcome (key, session, seq) values (?, ?, ?)",
        record.recallKey,
        row.number,
        seq,
      );
    }
    this.#tips.set(row.number, { seq, mac });
    return seq;
  }

  /** The newest record's number and signature; zero and none for a session that is being made. */
  tip(row: SessionRow): Tip {
    const last = this.#file.get(
      `select seq, mac from ${recordsOf(row.number)} order by seq desc limit 1`,
    );
    const mac = last?.["mac"];
    const tip = { seq: Number(last?.["seq"] ?? 0), mac: mac instanceof Uint8Array ? mac : none };
    if (tip.seq < row.records) throw corruptRecord(row.id, tip.seq + 1, "it is missing");
    this.#tips.set(row.number, tip);
    return tip;
  }

  /** How many records there are. Throws `store.corrupt` when there were more. */
  count(row: SessionRow): number {
    const newest = this.#file.get(`select max(seq) as seq from ${recordsOf(row.number)}`);
    const records = Number(newest?.["seq"] ?? 0);
    if (records < row.records) throw corruptRecord(row.id, records + 1, "it is missing");
    return records;
  }

  /** What is remembered may not be what was written: read it again. */
  forget(): void {
    this.#tips.clear();
  }

  /** Checks records after `afterSeq` and hands them over in order. */
  read(row: SessionRow, afterSeq: number, take: (texts: RecordTexts) => void): void {
    let next = afterSeq + 1;
    let before = this.#macOf(row, afterSeq);
    for (;;) {
      const sealed = this.#sealed(row, next);
      if (sealed !== null) {
        take({ first: next, texts: sealed.texts, checked: true });
        before = sealed.mac;
        next += blockRows;
        continue;
      }
      const rows = this.#rows(row.number, next);
      for (const record of rows) {
        if (record.seq !== next) throw corruptRecord(row.id, next, "it is missing");
        take({ first: next, texts: this.#text(row, before, record), checked: this.#checked(row) });
        before = record.mac;
        next += 1;
      }
      if (rows.length === 0) break;
    }
    if (next <= row.records) throw corruptRecord(row.id, next, "it is missing");
  }

  /** One record, checked. */
  at(row: SessionRow, seq: number): RecordTexts {
    const before = this.#macOf(row, seq - 1);
    const [record] = this.#rows(row.number, seq, seq);
    if (record?.seq !== seq) throw corruptRecord(row.id, seq, "it is missing");
    return { first: seq, texts: this.#text(row, before, record), checked: this.#checked(row) };
  }

  /** The signature of a record, none of the one before the first, or of one after the last. */
  #macOf({ number }: SessionRow, seq: number): Uint8Array {
    if (seq === 0) return none;
    const mac = this.#file.get(`select mac from ${recordsOf(number)} where seq = ?`, seq)?.["mac"];
    return mac instanceof Uint8Array ? mac : none;
  }

  /** Rows from `from` to the end of its block, or to `to`. */
  #rows(
    number: number,
    from: number,
    to = from + blockRows - 1 - ((from - 1) % blockRows),
  ): readonly RecordRow[] {
    return this.#file
      .all(
        `select seq, body, mac, payload from ${recordsOf(number)} where seq between ? and ? order by seq`,
        from,
        to,
      )
      .map(recordRow);
  }

  /** Signs a block that has just been filled as a whole, if every record of it is sound and has all its text in it. */
  #seal(row: SessionRow, last: number): void {
    if (!this.#checked(row)) return;
    const first = last - blockRows + 1;
    const rows = this.#rows(row.number, first);
    let before = this.#macOf(row, first - 1);
    for (const record of rows) {
      const { seq, mac, payload } = record;
      if (payload !== null || !this.#chain(row).isSigned(seq, before, record, mac)) return;
      before = mac;
    }
    const seal = this.#chain(row).seal(first, before, rows.map(({ body }) => body).join(between));
    this.#file.run(`update ${recordsOf(row.number)} set seal = ? where seq = ?`, seal, last);
  }

  /** A whole block by its seal; null where there is none that holds, so that each record is looked at. */
  #sealed(
    row: SessionRow,
    first: number,
  ): { readonly texts: string; readonly mac: Uint8Array } | null {
    if (!this.#checked(row) || (first - 1) % blockRows !== 0) return null;
    const last = first + blockRows - 1;
    const table = recordsOf(row.number);
    const end = this.#file.get(`select mac, seal from ${table} where seq = ?`, last);
    const [mac, seal] = [end?.["mac"], end?.["seal"]];
    if (!(mac instanceof Uint8Array) || !(seal instanceof Uint8Array)) return null;
    const texts = this.#file.get(
      `select group_concat(body, '${between}') as texts
       from (select body from ${table} where seq between ? and ? order by seq)`,
      first,
      last,
    )?.["texts"];
    if (typeof texts !== "string") return null;
    return this.#chain(row).isSealed(first, { mac, texts, seal }) ? { texts, mac } : null;
  }

  /** Whether its records were checked by this Cairn before they were signed. */
  #checked({ format }: SessionRow): boolean {
    return this.#own && format === currentFormat;
  }

  #text(row: SessionRow, before: Uint8Array, record: RecordRow): string {
    const { seq, mac, body } = record;
    if (this.#own && !this.#chain(row).isSigned(seq, before, record, mac))
      throw corruptRecord(row.id, seq, "it was changed outside Cairn");
    return bodyText({ body, payload: this.#payload(row, record) });
  }

  #payload(row: SessionRow, { seq, payload }: RecordRow): string | null {
    if (payload === null) return null;
    let bytes: Uint8Array | null = null;
    try {
      bytes = this.#content.get(payload);
    } catch (error) {
      throw corruptRecord(row.id, seq, "its output was changed outside Cairn", error);
    }
    if (bytes === null) throw corruptRecord(row.id, seq, "its output is missing");
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  }

  #chain({ number, id, format, readOnly }: SessionRow): RecordChain {
    const name = `${number} ${format} ${readOnly} ${id}`;
    const known = this.#chains.get(name);
    if (known !== undefined) return known;
    const key =
      format === firstFormat ? this.#key : sessionKey(this.#key, { session: id, readOnly });
    const chain = new RecordChain(key, number);
    this.#chains.set(name, chain);
    const [oldest] = this.#chains.keys();
    if (this.#chains.size > mostChains && oldest !== undefined) this.#chains.delete(oldest);
    return chain;
  }
}

function recordRow(row: Row): RecordRow {
  const { seq, body, mac, payload } = row;
  return {
    seq: Number(seq),
    body: String(body),
    mac: mac instanceof Uint8Array ? mac : none,
    // What is neither null nor bytes is damage: no signature covers it.
    payload: payload === null ? null : payload instanceof Uint8Array ? payload : none,
  };
}

import { createHash } from "node:crypto";
import { recordBody, type RecordBody, type SessionRecord } from "../core/records.ts";
import { packRecord } from "./packRecord.ts";
import { RecordChain, sessionKey } from "./recordChain.ts";
import { bodyText } from "./recordText.ts";
import { corruptRecord } from "./storeError.ts";

/** A record as a row: a large output lies beside it, once a session, under its digest. */
interface RecordText {
  readonly body: string;
  /** SHA-256 of the output's JSON, null when the output is in the body. */
  readonly payload: string | null;
}

export interface NewRecord extends RecordText {
  /** The record as it will be read. */
  readonly record: RecordBody;
  readonly payloadText: string | null;
  /** The key under which other sessions may find the outcome, null when they may not. */
  readonly recall: string | null;
}

export interface SignedRecord extends NewRecord {
  readonly seq: number;
  readonly mac: Uint8Array;
}

export interface StoredRecord extends RecordText {
  readonly seq: number;
  readonly payloadText: string | null;
  readonly mac: Uint8Array;
}

/** The end of a session's records: what the next one is chained to. */
export interface Tip {
  readonly seq: number;
  readonly mac: Uint8Array;
}

export const noRecords: Tip = { seq: 0, mac: new Uint8Array() };

/** What the record is at this moment, as text. Throws `usage.invalid` for what is no record. */
export function newRecord(body: RecordBody): NewRecord {
  const { record, packed } = packRecord(body);
  const { payload: payloadText, recallKey: recall } = packed;
  const payload = payloadText === null ? null : sha256(payloadText);
  return { record, body: packed.body, payload, payloadText, recall };
}

/** What signs a session's records: its own key, so that they pass as no other session's. */
export function chainOf(
  key: Uint8Array,
  session: { readonly session: string; readonly readOnly: boolean },
): RecordChain {
  return new RecordChain(sessionKey(key, session), 0);
}

/** Signs records as the next ones after the tip. */
export function signRecords(
  chain: RecordChain,
  tip: Tip,
  records: readonly NewRecord[],
): readonly SignedRecord[] {
  let { seq, mac } = tip;
  return records.map((record) => {
    seq += 1;
    mac = chain.sign(seq, mac, signed(record));
    return { ...record, seq, mac };
  });
}

/** Throws `store.corrupt` when one of the rows is not what was written, in this place. */
export function readRecords(
  session: string,
  rows: readonly StoredRecord[],
  from: {
    readonly seq: number;
    readonly before: Uint8Array | null;
    readonly chain: RecordChain | null;
  },
): readonly SessionRecord[] {
  let { before } = from;
  return rows.map((row, index) => {
    const seq = from.seq + index;
    if (row.seq !== seq) throw corruptRecord(session, seq, "it is missing");
    if (from.chain !== null && before !== null) {
      if (!from.chain.isSigned(seq, before, signed(row), row.mac)) {
        throw corruptRecord(session, seq, "it was changed outside Cairn");
      }
    }
    before = row.mac;
    return readRecord(session, row);
  });
}

/** One record without a look at its signature. Throws `store.corrupt` when it does not read. */
export function readRecord(
  session: string,
  { seq, body, payload, payloadText }: Omit<StoredRecord, "mac">,
): SessionRecord {
  if (payload !== null && (payloadText === null || sha256(payloadText) !== payload)) {
    const why = payloadText === null ? "is missing" : "was changed outside Cairn";
    throw corruptRecord(session, seq, `its output ${why}`);
  }
  try {
    const text = bodyText({ body, payload: payloadText });
    return { ...recordBody.parse(JSON.parse(text)), session, seq };
  } catch (error) {
    throw corruptRecord(session, seq, "it does not read", error);
  }
}

export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function signed({ body, payload }: RecordText): { body: string; payload: Uint8Array | null } {
  return { body, payload: payload === null ? null : Buffer.from(payload, "hex") };
}

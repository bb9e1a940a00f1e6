import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import type { CreateOptions, Lease } from "../core/ports.ts";
import type { RecordBody } from "../core/records.ts";
import { addBlobs } from "./postgresBlobs.ts";
import type { PostgresConnection, Query } from "./postgresConnection.ts";
import type { PostgresOwner } from "./postgresOwner.ts";
import { unknownSession } from "./postgresWriter.ts";
import {
  chainOf,
  newRecord,
  noRecords,
  sha256,
  signRecords,
  type SignedRecord,
  type Tip,
} from "./postgresRecord.ts";
import { corruptRecord } from "./storeError.ts";

export interface Held {
  readonly lease: Lease;
  readonly tip: Tip;
}

const nothing = z.unknown();
const numbered = z.object({ number: z.string(), epoch: z.number() });
const bytes = z.instanceof(Uint8Array);

const standing = `select s.number, s.key_id as "keyId", s.imported, s.owner, s.records, s.tip,
    exists (select from cairn.owner o where o.id = s.owner and o.alive_until > clock_timestamp()) as alive,
    coalesce((select r.mac = s.tip from cairn.record r where r.session = s.number and r.seq = s.records), false) as whole
  from cairn.session s where s.id = $1`;
const standingRow = z.object({
  number: z.string(),
  keyId: z.string(),
  imported: z.boolean(),
  owner: z.nullable(z.string()),
  records: z.number(),
  tip: bytes,
  alive: z.boolean(),
  whole: z.boolean(),
});

/** Makes, claims and removes sessions; each is one transaction that may be done again. */
export class PostgresSessions {
  readonly #database: PostgresConnection;
  readonly #owner: PostgresOwner;
  readonly #key: Uint8Array;
  readonly #keyId: string;
  readonly #claiming = new Set<string>();

  constructor(
    database: PostgresConnection,
    owner: PostgresOwner,
    keys: { readonly key: Uint8Array; readonly keyId: string },
  ) {
    this.#database = database;
    this.#owner = owner;
    this.#key = keys.key;
    this.#keyId = keys.keyId;
  }

  async create(session: string, first: RecordBody, options: CreateOptions): Promise<Held> {
    const chain = this.#chain(session, false, [first]);
    const { sharesBlobsOf } = options;
    return this.#again(async (query, again) => {
      await this.#owner.beat(query);
      const { number, epoch, old } = await this.#insert(query, session, chain, {
        again,
        imported: false,
      });
      if (!old && sharesBlobsOf !== undefined) await share(query, number, sharesBlobsOf);
      return { lease: { session, epoch }, tip: chain.tip };
    });
  }

  async import(
    session: string,
    records: readonly RecordBody[],
    blobs: readonly Uint8Array[],
  ): Promise<void> {
    if (records.length === 0) {
      throw new CairnError("usage.invalid", "There are no records to import; nothing was written.");
    }
    const chain = this.#chain(session, true, records);
    const byDigest = new Map(blobs.map((blob) => [sha256(blob), blob]));
    await this.#again(async (query, again) => {
      const { old } = await this.#insert(query, session, chain, { again, imported: true });
      if (!old) await addBlobs(query, session, byDigest);
    });
  }

  async claim(session: string): Promise<Held> {
    // One at a time, so that a row of ours means what it says below.
    if (this.#claiming.has(session)) throw this.#busy(session, this.#owner.id);
    this.#claiming.add(session);
    try {
      return await this.#claim(session);
    } finally {
      this.#claiming.delete(session);
    }
  }

  async #claim(session: string): Promise<Held> {
    return this.#again(async (query, again) => {
      await this.#owner.beat(query);
      const found = await lock(query, session);
      if (found.imported) {
        throw new CairnError(
          "session.readOnly",
          `Session ${session} was imported. It can be looked at, exported and deleted, not continued.`,
        );
      }
      if (found.keyId !== this.#keyId) {
        throw new CairnError(
          "store.unverified",
          `Session ${session} was recorded with another key. It can be read, not continued.`,
        );
      }
      // Our own row is there when a claim went through and its answer was cut off.
      const ours = again && found.owner === this.#owner.id;
      if (found.alive && !ours) throw this.#busy(session, found.owner);
      if (!found.whole) throw corruptRecord(session, found.records, "it is missing");
      const text = `update cairn.session set owner = $2, epoch = nextval('cairn.epoch')
        where number = $1 returning number, epoch`;
      const [claimed] = await query(numbered, { text }, [found.number, this.#owner.id]);
      if (claimed === undefined) throw unknownSession(session);
      const { epoch } = claimed;
      return { lease: { session, epoch }, tip: { seq: found.records, mac: found.tip } };
    });
  }

  async release({ session, epoch }: Lease): Promise<void> {
    const text = "update cairn.session set owner = null where id = $1 and epoch = $2";
    await this.#database.run(async (query) => query(nothing, { text }, [session, epoch]));
  }

  async remove(session: string): Promise<void> {
    await this.#again(async (query, again) => {
      // An attempt that was cut off had removed it after all.
      const found = await lock(query, session).catch((error: unknown) => {
        if (again && CairnError.is(error, "session.unknown")) return null;
        throw error;
      });
      if (found === null) return;
      if (found.alive) throw this.#busy(session, found.owner);
      const used = await query(
        z.object({ digest: z.string() }),
        { text: "delete from cairn.blob_use where session = $1 returning digest" },
        [found.number],
      );
      for (const table of ["record", "payload", "recall"]) {
        const text = `delete from cairn.${table} where session = $1`;
        await query(nothing, { text, slow: true }, [found.number]);
      }
      await query(nothing, { text: "delete from cairn.session where number = $1" }, [found.number]);
      const text = `delete from cairn.blob b where digest = any($1::text[])
        and not exists (select from cairn.blob_use u where u.digest = b.digest)`;
      await query(nothing, { text, slow: true }, [used.map(({ digest }) => digest)]);
    });
    const text = "vacuum cairn.record, cairn.payload, cairn.recall, cairn.blob, cairn.blob_use";
    // The rows are gone; the server's own vacuum would do the rest later.
    await this.#database.run(async (query) => query(nothing, { text, slow: true })).catch(() => {});
  }

  #busy(session: string, owner: string | null): CairnError {
    const where = owner === this.#owner.id ? "in this process" : "in another worker or process";
    return new CairnError(
      "session.busy",
      `Session ${session} is running ${where}. Wait for it, or stop it there.`,
    );
  }

  /** One transaction; told whether an attempt of it was cut off before and may have gone through. */
  async #again<Result>(work: (query: Query, again: boolean) => Promise<Result>): Promise<Result> {
    let attempts = 0;
    return this.#database.transaction(async (query) => {
      attempts += 1;
      return work(query, attempts > 1);
    });
  }

  #chain(session: string, readOnly: boolean, records: readonly RecordBody[]): Chain {
    const chain = chainOf(this.#key, { session, readOnly });
    const signed = signRecords(chain, noRecords, records.map(newRecord));
    return { signed, tip: signed.at(-1) ?? noRecords };
  }

  async #insert(
    query: Query,
    session: string,
    { signed, tip }: Chain,
    how: { readonly again: boolean; readonly imported: boolean },
  ): Promise<{ readonly number: string; readonly epoch: number; readonly old: boolean }> {
    const text = `insert into cairn.session (id, key_id, imported, owner, epoch, records, tip)
      values ($1, $2, $3, $4, nextval('cairn.epoch'), $5, $6)
      on conflict (id) do nothing returning number, epoch`;
    const owner = how.imported ? null : this.#owner.id;
    const values = [session, this.#keyId, how.imported, owner, tip.seq, tip.mac];
    const [made] = await query(numbered, { text }, values);
    if (made === undefined) {
      const same = "select number, epoch from cairn.session where id = $1 and tip = $2";
      const [old] = how.again ? await query(numbered, { text: same }, [session, tip.mac]) : [];
      if (old !== undefined) return { ...old, old: true };
      throw new CairnError(
        "usage.invalid",
        `There is a session ${session} already; nothing was written. Choose another id.`,
      );
    }
    for (const record of signed) await insertRecord(query, made, record);
    return { ...made, old: false };
  }
}

interface Chain {
  readonly signed: readonly SignedRecord[];
  readonly tip: Tip;
}

async function insertRecord(
  query: Query,
  { number, epoch }: z.infer<typeof numbered>,
  { seq, body, mac, payload, payloadText }: SignedRecord,
): Promise<void> {
  const text =
    "insert into cairn.record (session, seq, body, mac, epoch, payload) values ($1, $2, $3, $4, $5, $6)";
  await query(nothing, { name: "insert", text }, [number, seq, body, mac, epoch, payload]);
  if (payload === null) return;
  const beside = "insert into cairn.payload values ($1, $2, $3) on conflict do nothing";
  await query(nothing, { text: beside }, [number, payload, payloadText]);
}

/** Keeps others off the session until the transaction ends; what it says is seen after the wait. */
async function lock(query: Query, session: string): Promise<z.infer<typeof standingRow>> {
  await query(nothing, { text: "select from cairn.session where id = $1 for update" }, [session]);
  const [row] = await query(standingRow, { text: standing }, [session]);
  if (row === undefined) throw unknownSession(session);
  return row;
}

async function share(query: Query, number: string, source: string): Promise<void> {
  const row = z.object({ number: z.string() });
  const found = "select number from cairn.session where id = $1 for key share";
  const [from] = await query(row, { text: found }, [source]);
  if (from === undefined) throw unknownSession(source);
  const text = `insert into cairn.blob_use
    select $1, digest from cairn.blob_use where session = $2 on conflict do nothing`;
  await query(nothing, { text }, [number, from.number]);
}

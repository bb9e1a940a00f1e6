import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import type { PostgresConnection, Query } from "./postgresConnection.ts";
import { unknownSession } from "./postgresWriter.ts";
import { sha256 } from "./postgresRecord.ts";

const nothing = z.unknown();
const digestRow = z.object({ digest: z.string() });
const digestsOf = z.array(digestRow).transform((rows) => rows.map(({ digest }) => digest));

/** One statement is at most this many blobs and bytes. */
const batchBlobs = 200;
const batchBytes = 8_000_000;

export async function putBlobs(
  database: PostgresConnection,
  session: string,
  blobs: readonly Uint8Array[],
): Promise<readonly string[]> {
  const digests = blobs.map(sha256);
  const byDigest = new Map(blobs.map((bytes, index) => [digests[index] ?? "", bytes]));
  await database.transaction(async (query) => addBlobs(query, session, byDigest));
  return digests;
}

/** Stores what is missing and refers to all, as part of the caller's transaction. */
export async function addBlobs(
  query: Query,
  session: string,
  byDigest: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const found = z.object({ number: z.string() });
  const text = "select number from cairn.session where id = $1";
  const [row] = await query(found, { text }, [session]);
  if (row === undefined) throw unknownSession(session);
  // Always in the same order, so that two who store the same never wait for each other.
  const digests = [...byDigest.keys()].toSorted();
  const known = new Set(
    digestsOf.parse(
      await query(
        digestRow,
        { text: "select digest from cairn.blob where digest = any($1::text[])" },
        [digests],
      ),
    ),
  );
  const missing = digests.filter((digest) => !known.has(digest));
  for (const batch of batches(missing, byDigest)) {
    const places = batch.map((_, index) => `($${index * 2 + 1}, $${index * 2 + 2})`);
    await query(
      nothing,
      { text: `insert into cairn.blob values ${places.join(",")} on conflict do nothing` },
      batch.flat(),
    );
  }
  // One that was removed meanwhile breaks the reference, and all is done again.
  await query(
    nothing,
    { text: "insert into cairn.blob_use select $1, unnest($2::text[]) on conflict do nothing" },
    [row.number, digests],
  );
}

export async function getBlob(
  database: PostgresConnection,
  digest: string,
): Promise<Uint8Array | null> {
  const [row] = await database.run(async (query) =>
    query(
      z.object({ bytes: z.instanceof(Uint8Array) }),
      { name: "blob", text: "select bytes from cairn.blob where digest = $1" },
      [digest],
    ),
  );
  if (row === undefined) return null;
  if (sha256(row.bytes) === digest) return row.bytes;
  throw new CairnError("store.corrupt", `The stored content ${digest} is damaged.`);
}

export async function blobsOf(
  database: PostgresConnection,
  session: string,
): Promise<readonly string[]> {
  const text = `select u.digest from cairn.session s
    left join cairn.blob_use u on u.session = s.number where s.id = $1 order by u.digest`;
  const row = z.object({ digest: z.nullable(z.string()) });
  const rows = await database.run(async (query) => query(row, { text }, [session]));
  if (rows.length === 0) throw unknownSession(session);
  return rows.flatMap(({ digest }) => (digest === null ? [] : [digest])).toSorted();
}

/** Blobs whose bytes are not what their names say. */
export async function damagedBlobs(database: PostgresConnection): Promise<readonly string[]> {
  const text = "select digest from cairn.blob where encode(sha256(bytes), 'hex') <> digest";
  const rows = await database.run(async (query) => query(digestRow, { text, slow: true }));
  return digestsOf.parse(rows);
}

function* batches(
  digests: readonly string[],
  byDigest: ReadonlyMap<string, Uint8Array>,
): Generator<readonly (readonly [string, Uint8Array])[]> {
  let batch: [string, Uint8Array][] = [];
  let bytes = 0;
  for (const digest of digests) {
    const blob = byDigest.get(digest) ?? new Uint8Array();
    if (batch.length === batchBlobs || (batch.length > 0 && bytes + blob.length > batchBytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push([digest, blob]);
    bytes += blob.length;
  }
  if (batch.length > 0) yield batch;
}

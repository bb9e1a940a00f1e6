import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { CairnError } from "../../../src/core/errors.ts";
import type { SessionRecord } from "../../../src/core/records.ts";
import type { SqliteStore } from "../../../src/durable/sqliteStore.ts";
import { openHere, recordsIn } from "./storeHere.ts";
import { scriptedBlobs, scriptedRecord } from "./script.ts";

export interface Expected {
  /** Numbers of records that the session `one` may have, from the fewest to the most. */
  readonly records: readonly [number, number];
  /** Whether the blobs were acknowledged. */
  readonly blobs: boolean;
}

/**
 * Opens the store as the next process would, but in this thread, and claims both sessions.
 * Returns what is wrong; the claims end with the store.
 */
export function checkStore(directory: string, expected: Expected): readonly string[] {
  const problems: string[] = [];
  try {
    const store = openHere(directory);
    try {
      problems.push(...misfits(takeOver(store, "other"), [0, 1]));
      problems.push(...misfits(takeOver(store, "one"), expected.records));
      if (expected.blobs) problems.push(...missingBlobs(store));
      problems.push(...store.checkFile().map(({ reason }) => reason));
    } finally {
      store.close();
    }
  } catch (error) {
    problems.push(String(error));
  }
  return problems;
}

/** The records of a session after it was claimed; none when there is no such session. */
function takeOver(store: SqliteStore, session: string): readonly SessionRecord[] {
  try {
    store.release(store.claim(session));
    return recordsIn(store, session);
  } catch (error) {
    if (CairnError.is(error, "session.unknown")) return [];
    throw error;
  }
}

/** Records must be the script's first ones, in order, each once, as many as expected. */
function misfits(
  records: readonly SessionRecord[],
  [fewest, most]: readonly [number, number],
): readonly string[] {
  const wrong = records.find((record, index) => {
    const { session } = record;
    const written = { ...scriptedRecord(index + 1), session, seq: index + 1 };
    return !isDeepStrictEqual(record, written);
  });
  if (wrong !== undefined)
    return [`record ${wrong.seq} of ${wrong.session} is not the written one`];
  const { length } = records;
  if (length < fewest) return [`${length} records are there, ${fewest} were acknowledged`];
  return length > most ? [`${length} records are there, at most ${most} may be`] : [];
}

function missingBlobs(store: SqliteStore): readonly string[] {
  return scriptedBlobs().flatMap((bytes) => {
    const found = store.getBlob(createHash("sha256").update(bytes).digest("hex"));
    const same = found !== null && Buffer.from(bytes).equals(found);
    return same ? [] : [`a blob of ${bytes.length} bytes is not there`];
  });
}

import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CairnError } from "../../../src/core/errors.ts";
import type { SessionRecord } from "../../../src/core/records.ts";
import { isDead, thisOwner } from "../../../src/durable/owner.ts";
import { parseRecords } from "../../../src/durable/parseRecords.ts";
import { SqliteStore } from "../../../src/durable/sqliteStore.ts";
import { storeKey, storeName } from "./openStore.ts";

/** A store in this thread: a driver's own thread costs more than all that is looked at here. */
export function openHere(directory: string): SqliteStore {
  return new SqliteStore({
    path: join(directory, storeName),
    key: storeKey,
    owner: thisOwner(process.pid),
    leaseMs: 20_000,
    now: () => Number(process.hrtime.bigint() / 1_000_000n),
    dead: isDead,
  });
}

export function recordsIn(store: SqliteStore, session: string): readonly SessionRecord[] {
  const records: SessionRecord[] = [];
  store.read(session, 0, (part) => records.push(...parseRecords(session, part)));
  return records;
}

/** The records of a session as a reader would find them, without touching the store itself. */
export function recordsInCopy(directory: string, session: string): readonly SessionRecord[] {
  const copy = `${directory}.copy`;
  cpSync(directory, copy, { recursive: true });
  try {
    const store = openHere(copy);
    try {
      return recordsIn(store, session);
    } finally {
      store.close();
    }
  } catch (error) {
    if (CairnError.is(error, "session.unknown")) return [];
    throw error;
  } finally {
    rmSync(copy, { recursive: true });
  }
}

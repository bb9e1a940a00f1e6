import { createHmac } from "node:crypto";
import { CairnError } from "../core/errors.ts";
import type { StoreFile } from "./storeFile.ts";

export const schemaVersion = 3;

/** Sessions made by version 1 are signed with the store's key itself, and checked when they are read. */
export const firstFormat = 1;
export const currentFormat = 2;

const contents = `
create table blob (
  id integer primary key,
  digest blob not null unique,
  home integer not null,
  unpacked integer not null default 0
) strict;
create table reference (
  session integer not null,
  blob integer not null,
  payload integer not null,
  primary key (session, blob, payload)
) strict, without rowid;
create index reference_blob on reference (blob, session);
create table outcome (
  id integer primary key,
  key text not null,
  session integer not null,
  seq integer not null
) strict;
create index outcome_key on outcome (key);
`;

const schema = `
create table store (name text primary key, value text not null) strict, without rowid;
create table session (
  number integer primary key,
  id text not null unique,
  owner text,
  lease_until integer not null,
  epoch integer not null,
  format integer not null default ${firstFormat},
  read_only integer not null default 0,
  records integer not null default 1
) strict;
${contents}
`;

/**
 * Every session has pages of its own: its records are appended without gaps whoever else writes,
 * damage elsewhere does not reach it, and dropping its tables leaves no byte of it behind (a row
 * that SQLite moves between pages can leave a copy that no deletion zeroes).
 */
export function sessionTables(number: number): string {
  return `
create table ${recordsOf(number)} (
  seq integer primary key,
  body text not null,
  mac blob not null,
  payload blob,
  seal blob
) strict;
create table ${contentOf(number)} (id integer primary key, bytes blob not null) strict;
`;
}

export function recordsOf(number: number): string {
  return `record_${number}`;
}

export function contentOf(number: number): string {
  return `content_${number}`;
}

/** Makes, migrates or checks the file's schema; returns whether the store was made with our key. */
export function prepareSchema(file: StoreFile, key: Uint8Array): boolean {
  const keyId = createHmac("sha256", key).update("cairn store").digest("hex");
  const found = versionOf(file);
  if (found > schemaVersion) {
    throw new CairnError(
      "store.newer",
      `The store ${file.path} was written by a newer Cairn (version ${found}). Update Cairn to open it.`,
    );
  }
  if (found === 0) refuseUsed(file);
  file.openForWriting();
  if (found < schemaVersion) {
    file.writing(() => {
      const version = versionOf(file);
      if (version === 0) make(file, keyId);
      if (version === 1) migrateFromFirst(file);
      // Blobs of that time lie in the store as they are.
      if (version === 2)
        file.exec("alter table blob add column unpacked integer not null default 0;");
      if (version > 0) file.exec(`pragma user_version = ${schemaVersion};`);
    });
  }
  return file.reading(
    () => file.get("select value from store where name = 'key'")?.["value"] === keyId,
  );
}

function versionOf(file: StoreFile): number {
  return file.reading(() => Number(file.get("pragma user_version")?.["user_version"]));
}

function make(file: StoreFile, keyId: string): void {
  refuseUsed(file);
  file.exec(schema);
  file.run("insert into store values ('key', ?)", keyId);
  file.exec(`pragma user_version = ${schemaVersion};`);
}

/** A file that has something in it and does not say its version is no store of ours, or no longer. */
function refuseUsed(file: StoreFile): void {
  const empty = file.reading(
    () => file.get("select name from sqlite_schema limit 1") === undefined,
  );
  if (empty && !file.isStump()) return;
  throw new CairnError(
    "store.corrupt",
    `The store ${file.path} is damaged: it does not say its version. It was not touched; move it away to start a new one, or put a copy back.`,
  );
}

/** Moves rows without changing one, so that every signature stays true. */
function migrateFromFirst(file: StoreFile): void {
  file.exec(`
alter table session add column format integer not null default ${firstFormat};
alter table session add column read_only integer not null default 0;
alter table session add column records integer not null default 1;
alter table blob rename to first_blob;
${contents}`);
  const numbers = file.all("select number from session").map((row) => Number(row["number"]));
  for (const number of numbers) {
    const start = number * 2 ** 32;
    file.exec(`${sessionTables(number)}
insert into ${recordsOf(number)} (seq, body, mac)
  select id - ${start}, body, mac from record where id between ${start} and ${start + 2 ** 32 - 1} order by id;
update session set records = coalesce((select max(seq) from ${recordsOf(number)}), 1) where number = ${number};`);
  }
  const [home] = numbers;
  // Version 1 did not say whose a blob is: it stays until the last session of that time is removed.
  if (home !== undefined) {
    file.exec(`
insert into blob (digest, home) select unhex(digest), ${home} from first_blob where unhex(digest) is not null;
insert into ${contentOf(home)}
  select blob.id, first_blob.bytes from blob join first_blob on blob.digest = unhex(first_blob.digest) order by blob.id;
insert into reference select session.number, blob.id, 0 from session, blob;`);
  }
  file.exec(`drop table first_blob; drop table record;`);
}

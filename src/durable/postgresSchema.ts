import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import type { Query } from "./postgresConnection.ts";

/** One entry a version, of one statement each; never changed once released. */
const migrations = [
  [
    `create sequence cairn.epoch as integer`,
    `create table cairn.owner (id text primary key, alive_until timestamptz not null)`,
    `create table cairn.session (
      number bigint generated always as identity primary key,
      id text not null unique,
      key_id text not null,
      imported boolean not null,
      owner text,
      epoch integer not null,
      records integer not null,
      tip bytea not null
    ) with (fillfactor = 50)`,
    `create table cairn.record (
      session bigint not null,
      seq integer not null,
      body text not null,
      mac bytea not null,
      epoch integer not null,
      payload text,
      primary key (session, seq)
    )`,
    `create table cairn.payload (
      session bigint not null,
      digest text not null,
      body text not null,
      primary key (session, digest)
    )`,
    `create table cairn.recall (
      id bigint generated always as identity primary key,
      key text not null,
      session bigint not null,
      seq integer not null
    )`,
    `create index on cairn.recall (key, id desc)`,
    `create index on cairn.recall (session)`,
    `create table cairn.blob (digest text primary key, bytes bytea not null)`,
    `alter table cairn.blob alter column bytes set storage external`,
    `create table cairn.blob_use (
      session bigint not null references cairn.session,
      digest text not null references cairn.blob,
      primary key (session, digest)
    )`,
    `create index on cairn.blob_use (digest)`,
  ],
];

const version = z.object({ version: z.nullable(z.number()) });
/** Any number that is the same in every Cairn: one process migrates, the others wait. */
const turnstile = 4_712_033_001;

/** Makes or brings up to date the schema `cairn`. Throws `store.newer` for one of a later Cairn. */
export function preparePostgres(where: string): (query: Query) => Promise<void> {
  return async (query) => {
    if ((await versionOf(query, where)) === migrations.length) return;
    await query(z.unknown(), { text: "select pg_advisory_xact_lock($1)" }, [turnstile]);
    await query(z.unknown(), { text: "create schema if not exists cairn" });
    await query(z.unknown(), {
      text: "create table if not exists cairn.migration (version integer primary key, at timestamptz not null default now())",
    });
    const found = await versionOf(query, where);
    for (const [index, migration] of migrations.entries()) {
      if (index < found) continue;
      for (const text of migration) await query(z.unknown(), { text });
      await query(z.unknown(), { text: "insert into cairn.migration (version) values ($1)" }, [
        index + 1,
      ]);
    }
  };
}

async function versionOf(query: Query, where: string): Promise<number> {
  const [table] = await query(z.object({ there: z.boolean() }), {
    text: "select to_regclass('cairn.migration') is not null as there",
  });
  if (table?.there !== true) return 0;
  const [row] = await query(version, {
    text: "select max(version) as version from cairn.migration",
  });
  const found = row?.version ?? 0;
  if (found <= migrations.length) return found;
  throw new CairnError(
    "store.newer",
    `The ${where} was written by a newer Cairn (version ${found}). Update Cairn to open it.`,
  );
}

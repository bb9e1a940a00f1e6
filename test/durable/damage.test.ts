import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { CairnError } from "../../src/core/errors.ts";
import type { StoreProblem } from "../../src/core/ports.ts";
import { packRecord } from "../../src/durable/packRecord.ts";
import { SqliteStore } from "../../src/durable/sqliteStore.ts";
import { startRecord, stepRecord } from "../contracts/records.ts";

const root = mkdtempSync(join(tmpdir(), "cairn-damage-"));
after(() => rmSync(root, { recursive: true, force: true }));

const seed = Number(process.env["CAIRN_SEED"] ?? Date.now() % 1_000_000);
const sessions = ["one", "two", "three"];

function open(path: string): SqliteStore {
  const key = new Uint8Array(32).fill(7);
  return new SqliteStore({
    path,
    key,
    owner: "me",
    leaseMs: 1000,
    now: () => 1,
    dead: () => false,
  });
}

/** A closed store of three sessions with records of all sizes, large outputs and blobs. */
function sound(): Buffer {
  const path = join(root, "sound.db");
  const store = open(path);
  for (const session of sessions) {
    const lease = store.create(session, packRecord(startRecord(session)).packed, {});
    for (let at = 2; at < 16; at += 1) {
      const size = at === 9 ? 40_000 : at * 100;
      const record = stepRecord(`${session}${at} `.repeat(size / 8), { at, cache: "workspace" });
      const blob = Buffer.from(`${session}${at}`.repeat(at * 20));
      const writes = store.together([
        { method: "append", args: [lease, packRecord(record).packed] },
        { method: "putBlobs", args: [session, [blob, Buffer.from("of all")]] },
      ]);
      assert.ok(writes.every(({ ok }) => ok));
    }
    store.release(lease);
  }
  store.close();
  return readFileSync(path);
}

/** What is read of a store: each session's records as text, or the code that reading it gave. */
function contents(store: SqliteStore): ReadonlyMap<string, string> {
  return new Map(
    sessions.map((session) => {
      const texts: string[] = [];
      try {
        store.read(session, 0, ({ texts: text }) => texts.push(...text.split(",\n")));
        return [session, texts.join("\n")];
      } catch (error) {
        if (CairnError.is(error)) return [session, error.code];
        throw error;
      }
    }),
  );
}

function verified(store: SqliteStore): readonly StoreProblem[] {
  const found = [...store.checkStore(), ...store.checkFile()];
  for (const session of store.sessions()) {
    found.push(...store.checkSession(session, true).problems);
  }
  for (let last: number | null = 0; last !== null;) {
    const blobs = store.checkBlobs(last);
    found.push(...blobs.problems);
    ({ last } = blobs);
  }
  return found;
}

const whole = sound();
const healthy = open(join(root, "sound.db"));
const expected = contents(healthy);
healthy.close();

interface Seen {
  /** The code that opening or listing gave, null when it opened. */
  readonly refused: string | null;
  readonly named: readonly StoreProblem[];
  readonly read: ReadonlyMap<string, string>;
}

/** Opens a damaged copy as a window would; throws what is no error of ours. */
function look(bytes: Buffer): Seen {
  const path = join(root, "damaged.db");
  for (const file of [path, `${path}-wal`, `${path}-shm`]) rmSync(file, { force: true });
  writeFileSync(path, bytes);
  try {
    const store = open(path);
    try {
      const summaries = store.list();
      for (const { first, last } of summaries)
        assert.ok(isWritten(first.texts) && isWritten(last.texts));
      const read = contents(store);
      return { refused: null, named: verified(store), read };
    } finally {
      store.close();
    }
  } catch (error) {
    if (!CairnError.is(error)) throw error;
    const { code } = error;
    if (code === "store.newer" || code === "store.corrupt") {
      assert.deepEqual(readFileSync(path), bytes, `${code}, and the file is left as it is`);
    }
    return { refused: code, named: [], read: new Map() };
  }
}

function isWritten(record: string): boolean {
  return [...expected.values()].some((texts) => texts.split("\n").includes(record));
}

/** Judges one damage: named, or without effect; and never a record that was not written. */
function judge(bytes: Buffer, what: string): "refused" | "named" | "harmless" {
  const { refused, named, read } = look(bytes);
  if (refused !== null) {
    assert.ok(["store.corrupt", "store.newer"].includes(refused), `${what}: ${refused}`);
    return "refused";
  }
  let intact = 0;
  for (const [session, text] of read) {
    if (text === expected.get(session)) intact += 1;
    else
      assert.ok(named.length > 0, `${what}: session ${session} is not whole, and nobody says so`);
    for (const record of text.split("\n")) {
      const ours = isWritten(record) || /^(store|session)\.[a-z]+$/i.test(record);
      assert.ok(ours, `${what}: a record that was never written: ${record.slice(0, 200)}`);
    }
  }
  return intact === sessions.length && named.length === 0 ? "harmless" : "named";
}

function tally(damages: readonly { readonly what: string; readonly bytes: Buffer }[]): string {
  const counts = { refused: 0, named: 0, harmless: 0 };
  for (const { what, bytes } of damages) counts[judge(bytes, what)] += 1;
  return `${damages.length} damages: ${counts.refused} refused, ${counts.named} named, ${counts.harmless} in bytes that hold nothing`;
}

function flipped(at: number, mask: number): { readonly what: string; readonly bytes: Buffer } {
  const bytes = Buffer.from(whole);
  bytes[at] = (bytes[at] ?? 0) ^ mask;
  return { what: `byte ${at} ^ ${mask} (seed ${seed})`, bytes };
}

test("a flipped byte anywhere in the store is named, and no wrong record is handed out", () => {
  const next = random(seed);
  const damages = Array.from({ length: 200 }, () =>
    flipped(Math.floor(next() * whole.length), 1 + Math.floor(next() * 255)),
  );
  console.log(`seed ${seed}, ${whole.length} bytes, ${tally(damages)}`);
});

test("a flipped byte in the store's header, its schema or the head of any page is named", () => {
  const next = random(seed + 1);
  const damages = Array.from({ length: 100 }, (_, at) => flipped(at, 1 + Math.floor(next() * 255)));
  for (let page = 0; page < whole.length; page += 8192) {
    for (const at of [0, 1, 3, 5, 8]) {
      damages.push(flipped(page + at, 1 + Math.floor(next() * 255)));
    }
    damages.push(flipped(page + 8191 - Math.floor(next() * 400), 1 << Math.floor(next() * 8)));
  }
  console.log(`seed ${seed}, ${tally(damages)}`);
});

test("a store that is cut short anywhere is refused and left as it is, or its damage is named", () => {
  const next = random(seed + 2);
  const lengths = [1, 15, 16, 99, 100, 511, 512, 8191, 8192, 8193, whole.length - 1];
  for (let each = 0; each < 30; each += 1)
    lengths.push(1 + Math.floor(next() * (whole.length - 1)));
  const damages = lengths.map((length) => ({
    what: `cut to ${length} bytes (seed ${seed})`,
    bytes: whole.subarray(0, length),
  }));
  const found = tally(damages);
  console.log(`seed ${seed}, ${found}`);
  assert.match(found, / 0 in bytes that hold nothing$/);
});

test("damage in one session's pages leaves the others as they were, and names that one", () => {
  const text = Buffer.from("two12 two12 two12");
  const at = whole.indexOf(text);
  const { read, named } = look(flipped(at, 1).bytes);
  assert.equal(read.get("two"), "store.corrupt");
  assert.deepEqual(
    [read.get("one"), read.get("three")],
    [expected.get("one"), expected.get("three")],
  );
  assert.deepEqual(
    named.map(({ session }) => session),
    ["two"],
  );
  assert.match(named[0]?.reason ?? "", /^Record 12 of session two is damaged/);
});

/** A small generator that a seed repeats. */
function random(start: number): () => number {
  let state = start;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

import { hash } from "node:crypto";
import { CairnError } from "../core/errors.ts";
import { packBytes, unpackBytes } from "./packedBytes.ts";
import { contentOf } from "./storeSchema.ts";
import type { Row, StoreFile } from "./storeFile.ts";

/** Whose a blob is: a session's trees, or the large output of one of its records. */
type Use = "tree" | "payload";

/**
 * Blobs by the SHA-256 of their bytes, each kept once in the pages of one of the sessions that
 * refer to it: its home. When that one goes, what others refer to moves to one of them.
 * Every method runs inside the caller's transaction.
 */
export class StoredContent {
  readonly #file: StoreFile;

  constructor(file: StoreFile) {
    this.#file = file;
  }

  /** Keeps bytes for a session; returns their digest. */
  put(session: number, bytes: Uint8Array, use: Use): Uint8Array {
    const digest = sha256(bytes);
    const known = this.#file.get("select id from blob where digest = ?", digest);
    let id = Number(known?.["id"]);
    if (known === undefined) {
      const packed = packBytes(bytes);
      this.#file.run(
        "insert into blob (digest, home, unpacked) values (?, ?, ?)",
        digest,
        session,
        packed.size,
      );
      id = Number(this.#file.get("select last_insert_rowid() as id")?.["id"]);
      this.#file.run(`insert into ${contentOf(session)} values (?, ?)`, id, packed.bytes);
    }
    this.#file.run(
      "insert into reference values (?, ?, ?) on conflict do nothing",
      session,
      id,
      use === "payload" ? 1 : 0,
    );
    return digest;
  }

  /** The bytes, null when there are none. Throws `store.corrupt` when they are not those of the digest. */
  get(digest: Uint8Array): Uint8Array | null {
    const row = this.#file.get("select id, home, unpacked from blob where digest = ?", digest);
    if (row === undefined) return null;
    const bytes = this.#bytes(row);
    if (bytes !== null && sha256(bytes).equals(digest)) return bytes;
    throw damaged(digest);
  }

  share(from: number, to: number): void {
    this.#file.run(
      "insert into reference select ?, blob, 0 from reference where session = ? and payload = 0",
      to,
      from,
    );
  }

  /** Digests of what a session put, sorted. */
  digestsOf(session: number): readonly string[] {
    const rows = this.#file.all(
      "select lower(hex(digest)) as digest from reference join blob on blob.id = blob where session = ? and payload = 0 order by 1",
      session,
    );
    return rows.map((row) => String(row["digest"]));
  }

  /** Bytes of the blobs that only this session refers to: their home is with it. */
  bytesOfOnly(session: number): number {
    const row = this.#file.get(
      `select sum(octet_length(bytes)) as bytes from ${contentOf(session)} as content
       where not exists (select 1 from reference where blob = content.id and session <> ?)`,
      session,
    );
    return Number(row?.["bytes"] ?? 0);
  }

  /** Ends a session's references. What others refer to moves to them; its own content table goes with it. */
  leave(session: number): void {
    this.#file.run(
      `update blob set home = coalesce(
         (select min(session) from reference where blob = blob.id and session <> ?1), 0)
       where home = ?1 and id in (select blob from reference where session = ?1)`,
      session,
    );
    const heirs = this.#file.all(
      `select distinct home from ${contentOf(session)} as content join blob on blob.id = content.id where home > 0`,
    );
    for (const heir of heirs.map((row) => Number(row["home"]))) {
      this.#file.run(
        `insert into ${contentOf(heir)} select content.id, bytes
         from ${contentOf(session)} as content join blob on blob.id = content.id and home = ?`,
        heir,
      );
    }
    this.#file.run(
      "delete from blob where home = 0 and id in (select blob from reference where session = ?)",
      session,
    );
    this.#file.run("delete from reference where session = ?", session);
  }

  /** Checks the next blobs after `afterId`; `last` is null when there are no more. */
  check(
    afterId: number,
    limit: number,
  ): { readonly damaged: readonly BlobProblem[]; readonly last: number | null } {
    const rows = this.#file.all(
      "select id, digest, home, unpacked from blob where id > ? order by id limit ?",
      afterId,
      limit,
    );
    const found = rows.flatMap((row) => {
      const id = Number(row["id"]);
      const { digest } = row;
      const bytes = this.#bytes(row);
      if (digest instanceof Uint8Array && bytes !== null && sha256(bytes).equals(digest)) return [];
      const named = digest instanceof Uint8Array ? digest : new Uint8Array();
      return [{ reason: damaged(named).message, session: this.#onlyUser(id) }];
    });
    const last = rows.length < limit ? null : Number(rows.at(-1)?.["id"]);
    return { damaged: found, last };
  }

  #bytes(blob: Row): Uint8Array | null {
    const [id, home] = [Number(blob["id"]), Number(blob["home"])];
    const row = this.#file.get(`select bytes from ${contentOf(home)} where id = ?`, id);
    const bytes = row?.["bytes"];
    if (!(bytes instanceof Uint8Array)) return null;
    return unpackBytes({ bytes, size: Number(blob["unpacked"]) });
  }

  /** The one session that refers to a blob, null when there are several. */
  #onlyUser(id: number): number | null {
    const users = this.#file.all("select distinct session from reference where blob = ?", id);
    return users.length === 1 ? Number(users[0]?.["session"]) : null;
  }
}

export interface BlobProblem {
  readonly reason: string;
  readonly session: number | null;
}

function damaged(digest: Uint8Array): CairnError {
  const named = Buffer.from(digest).toString("hex");
  return new CairnError("store.corrupt", `The stored content ${named} is damaged.`);
}

function sha256(bytes: Uint8Array): Buffer {
  return hash("sha256", bytes, "buffer");
}

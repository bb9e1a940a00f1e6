import { CairnError } from "../core/errors.ts";
import type { StoreProblem } from "../core/ports.ts";
import type { SessionTable } from "./sessionTable.ts";
import type { StoredContent } from "./storedContent.ts";
import type { StoredRecords } from "./storedRecords.ts";
import type { StoreFile } from "./storeFile.ts";

/** Blobs that are checked in one go; other calls come between. */
const blobsAtOnce = 64;

/** Looks for damage and names it. Changes nothing. */
export class StoreCheck {
  readonly #file: StoreFile;
  readonly #sessions: SessionTable;
  readonly #records: StoredRecords;
  readonly #content: StoredContent;
  /** How many records of a session were found sound; asked again, only newer ones are read. */
  readonly #sound = new Map<string, number>();

  constructor(
    file: StoreFile,
    parts: {
      readonly sessions: SessionTable;
      readonly records: StoredRecords;
      readonly content: StoredContent;
    },
  ) {
    this.#file = file;
    this.#sessions = parts.sessions;
    this.#records = parts.records;
    this.#content = parts.content;
  }

  /**
   * A session's records: all of them, or those that are new since the last look. Records that were
   * not checked before they were signed are counted: their shape is still to be looked at.
   */
  session(
    id: string,
    all: boolean,
  ): { readonly problems: readonly StoreProblem[]; readonly unchecked: number } {
    let sound = all ? 0 : (this.#sound.get(id) ?? 0);
    let unchecked = 0;
    try {
      this.#file.reading(() => {
        const row = this.#sessions.row(id);
        this.#records.read(row, sound, ({ checked }) => {
          if (!checked) unchecked += 1;
        });
        sound = this.#records.count(row);
      });
      this.#sound.set(id, sound);
      return { problems: [], unchecked };
    } catch (error) {
      // It was removed since it was listed.
      if (CairnError.is(error, "session.unknown")) return { problems: [], unchecked: 0 };
      if (!CairnError.is(error, "store.corrupt")) throw error;
      return { problems: [{ session: id, reason: error.message }], unchecked };
    }
  }

  /** The next blobs after `afterId`; `last` is null when there are no more. */
  blobs(afterId: number): {
    readonly problems: readonly StoreProblem[];
    readonly last: number | null;
  } {
    return this.#file.reading(() => {
      const { damaged, last } = this.#content.check(afterId, blobsAtOnce);
      const problems = damaged.map(({ reason, session }) => ({
        session: session === null ? "" : this.#sessions.idOf(session),
        reason,
      }));
      return { problems, last };
    });
  }

  /** What SQLite itself finds wrong with the file. */
  file(): readonly StoreProblem[] {
    return this.#file.reading(() =>
      this.#file
        .all("pragma integrity_check")
        .map((row) => String(row["integrity_check"]))
        .filter((found) => found !== "ok")
        .map((found) => ({
          session: this.#sessionOf(found),
          reason: `The store ${this.#file.path} is damaged: ${found}.`,
        })),
    );
  }

  /** A session that was removed is new when its id comes again. */
  forget(session: string): void {
    this.#sound.delete(session);
  }

  /** Whose pages a finding is about: it names a table, or a tree by its root. */
  #sessionOf(found: string): string {
    const root = /\btree (\d+)/i.exec(found)?.[1];
    const named =
      root === undefined
        ? null
        : this.#file.get("select tbl_name from sqlite_schema where rootpage = ?", Number(root));
    const table = String(named?.["tbl_name"] ?? found);
    const number = /\b(?:record|content)_(\d+)\b/.exec(table)?.[1];
    return number === undefined ? "" : this.#sessions.idOf(Number(number));
  }
}

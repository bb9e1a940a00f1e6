import { CairnError } from "../core/errors.ts";

/** SQLite's primary result codes, https://www.sqlite.org/rescode.html. */
const damaged = new Set([11, 26]);

/** Turns what SQLite and the file system throw into `store.*`, and lets our own errors pass. */
export function asStoreError<Result>(path: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (CairnError.is(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    if (damaged.has(sqliteCode(error) & 0xff)) {
      throw new CairnError(
        "store.corrupt",
        `The store ${path} is damaged (${reason}). It was not touched; move it away to start a new one, or put a copy back.`,
        { cause: error },
      );
    }
    throw new CairnError(
      "store.unwritable",
      `The store ${path} cannot be written (${reason}). Nothing was recorded; free the cause and resume.`,
      { cause: error },
    );
  }
}

function sqliteCode(error: unknown): number {
  if (typeof error !== "object" || error === null || !("errcode" in error)) return 0;
  return typeof error.errcode === "number" ? error.errcode : 0;
}

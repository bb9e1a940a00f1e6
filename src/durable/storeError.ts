import { CairnError } from "../core/errors.ts";

/**
 * SQLite's primary result codes for a file that is not what it says, https://www.sqlite.org/rescode.html.
 * Our statements are right for our schema: a plain error (1) or a value of the wrong type (20) is damage.
 */
const damaged = new Set([1, 11, 20, 24, 26]);

/**
 * Turns what SQLite and the file system throw into `store.*`, and lets our own errors pass.
 * `session` is the one whose pages are being read, if it is one.
 */
export function asStoreError<Result>(path: string, work: () => Result, session?: string): Result {
  try {
    return work();
  } catch (error) {
    if (CairnError.is(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    if (!damaged.has(sqliteCode(error) & 0xff) && !isOutOfRange(error)) {
      throw new CairnError(
        "store.unwritable",
        `The store ${path} cannot be written (${reason}). Nothing was recorded; free the cause and resume.`,
        { cause: error },
      );
    }
    throw new CairnError(
      "store.corrupt",
      session === undefined
        ? `The store ${path} is damaged (${reason}). It was not touched; move it away to start a new one, or put a copy back.`
        : `Session ${session} in the store ${path} is damaged (${reason}). It is left as it is; other sessions are not affected.`,
      { cause: error, details: session === undefined ? {} : { session } },
    );
  }
}

/** Names the one record that is not what was written. */
export function corruptRecord(
  session: string,
  seq: number,
  why: string,
  cause?: unknown,
): CairnError {
  return new CairnError(
    "store.corrupt",
    `Record ${seq} of session ${session} is damaged: ${why}. The session is left as it is; other sessions are not affected.`,
    { cause, details: { session, seq } },
  );
}

/** A number that we never wrote: Node refuses to round it. */
function isOutOfRange(error: unknown): boolean {
  return error instanceof RangeError && "code" in error && error.code === "ERR_OUT_OF_RANGE";
}

/** The extended result code of an error of SQLite, 0 for any other. */
export function sqliteCode(error: unknown): number {
  if (typeof error !== "object" || error === null || !("errcode" in error)) return 0;
  return typeof error.errcode === "number" ? error.errcode : 0;
}

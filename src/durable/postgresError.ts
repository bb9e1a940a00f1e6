import { Client, DatabaseError } from "pg";
import { CairnError } from "../core/errors.ts";

/**
 * The work was cut off and may be done again: by the network, by the server, or by another
 * transaction. Whether it took effect is not known.
 */
export class Interruption extends Error {
  override readonly name = "Interruption";
  /** True when the connection is of no more use. */
  readonly cut: boolean;
  /** False when trying again cannot help. */
  readonly passing: boolean;

  constructor(cause: unknown, cut: boolean, passing = true) {
    super("The work on the database was cut off.", { cause });
    this.cut = cut;
    this.passing = passing;
  }
}

/** SQLSTATEs, https://www.postgresql.org/docs/15/errcodes-appendix.html: gone, ending, starting, full. */
const away = /^(?:08|57P0[1-5]|25P03|53300)/u;
/** Another transaction was faster; the same work done again sees what it did. */
const overtaken = new Set(["23503", "23505", "40001", "40P01"]);
/** Authentication and a database that is not there. */
const refused = /^(?:28|3D000)/u;
const damaged = /^XX00[12]/u;

/** What the driver throws, in our words; never with a password, never with a value of a row. */
export function postgresError(where: string, error: unknown): Error {
  if (error instanceof CairnError || error instanceof Interruption) return error;
  if (error instanceof TypeError || !(error instanceof Error)) return asError(error);
  if (!(error instanceof DatabaseError)) return new Interruption(error, true);
  const code = error.code ?? "";
  if (away.test(code)) return new Interruption(error, true);
  if (refused.test(code)) return new Interruption(error, true, false);
  if (overtaken.has(code)) return new Interruption(error, false);
  if (damaged.test(code)) {
    return new CairnError(
      "store.corrupt",
      `The ${where} is damaged (${error.message}). It was not touched; put a backup back.`,
      { cause: error },
    );
  }
  return new CairnError(
    "store.unwritable",
    `The ${where} cannot be written (${error.message}). Nothing was recorded; free the cause and resume.`,
    { cause: error },
  );
}

/** Why a server cannot be reached, in a few words. */
export function reasonOf(cause: unknown): string {
  // A name with several addresses fails with one error for each.
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0]);
  return cause instanceof Error ? cause.message : String(cause);
}

/** The database of an address in words. Throws `usage.invalid` without repeating the address. */
export function whereIs(url: string): string {
  let place: Client;
  try {
    if (!/^postgres(?:ql)?:\/\//u.test(url)) throw new Error("not an address");
    place = new Client({ connectionString: url });
  } catch {
    // Not as the cause: a failed address repeats itself, password included.
    throw new CairnError(
      "usage.invalid",
      "The PostgreSQL address does not read. Give it as postgresql://user@host:5432/database.",
    );
  }
  const { host, port, database } = place;
  const server = host.startsWith("/") ? host : `${host}:${port}`;
  return `PostgreSQL database ${database ?? "postgres"} on ${server}`;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

import { CairnError } from "../core/errors.ts";
import type { Lease } from "../core/ports.ts";
import type { Row, StoreFile, Value } from "./storeFile.ts";
import { currentFormat, sessionTables } from "./storeSchema.ts";

/** A session as its row says. */
export interface SessionRow {
  readonly number: number;
  readonly id: string;
  readonly owner: string | null;
  readonly leaseUntil: number;
  readonly epoch: number;
  readonly format: number;
  readonly readOnly: boolean;
  /** How many records it had when that was last written down: it never has fewer. */
  readonly records: number;
}

export interface Ownership {
  readonly owner: string;
  /** How long a lease holds that is not renewed. The same for every process of a store. */
  readonly leaseMs: number;
  /** Milliseconds of a clock that nobody sets and that all processes of the machine share. */
  readonly now: () => number;
  /** Whether the owner of a lease is known to be gone. */
  readonly dead: (owner: string) => boolean;
}

const columns = "number, id, owner, lease_until, epoch, format, read_only, records";

/** Which sessions there are, and who may write to each. Every method runs inside the caller's transaction. */
export class SessionTable {
  readonly #file: StoreFile;
  readonly #ownership: Ownership;

  constructor(file: StoreFile, ownership: Ownership) {
    this.#file = file;
    this.#ownership = ownership;
  }

  /** Newest first. */
  rows(): readonly SessionRow[] {
    return this.#file.all(`select ${columns} from session order by number desc`).map(sessionRow);
  }

  idOf(number: number): string {
    const row = this.#file.get("select id from session where number = ?", number);
    return String(row?.["id"] ?? "");
  }

  find(session: string): SessionRow | null {
    const row = this.#file.get(`select ${columns} from session where id = ?`, session);
    return row === undefined ? null : sessionRow(row);
  }

  row(session: string): SessionRow {
    const row = this.find(session);
    if (row !== null) return row;
    throw new CairnError("session.unknown", `There is no session ${session} in this workspace.`);
  }

  /** The session of a lease that is still the newest one, else null. */
  ofLease(lease: Lease): SessionRow | null {
    const row = this.find(lease.session);
    return row?.epoch === lease.epoch ? row : null;
  }

  /** A new session's row and tables, for records to be appended to. */
  add(session: string, readOnly: boolean): SessionRow {
    if (this.find(session) !== null) {
      throw new CairnError("usage.invalid", `There is a session ${session} already.`);
    }
    this.#file.run(
      "insert into session (id, lease_until, epoch, format, read_only) values (?, 0, 0, ?, ?)",
      session,
      currentFormat,
      readOnly ? 1 : 0,
    );
    const row = this.row(session);
    this.#file.exec(sessionTables(row.number));
    return { ...row, records: 0 };
  }

  /** Gives the session to this process, with the next epoch. */
  take(row: SessionRow, records: number): Lease {
    const { owner, leaseMs, now } = this.#ownership;
    const epoch = row.epoch + 1;
    this.#set(row, "owner = ?, lease_until = ?, epoch = ?, records = ?", [
      owner,
      now() + leaseMs,
      epoch,
      records,
    ]);
    return { session: row.id, epoch };
  }

  giveBack(row: SessionRow, records: number): void {
    this.#set(row, "owner = null, lease_until = 0, records = ?", [records]);
  }

  renew(row: SessionRow, records: number): void {
    const { leaseMs, now } = this.#ownership;
    this.#set(row, "lease_until = ?, records = ?", [now() + leaseMs, records]);
  }

  noteRecords(row: SessionRow, records: number): void {
    this.#set(row, "records = ?", [records]);
  }

  isHeld({ owner, leaseUntil }: SessionRow): boolean {
    const { now, leaseMs, dead } = this.#ownership;
    const left = leaseUntil - now();
    // More than a lease's length is left only by the clock of another boot.
    return owner !== null && left > 0 && left <= leaseMs && !dead(owner);
  }

  refuseHeld(row: SessionRow): void {
    if (!this.isHeld(row)) return;
    const here = row.owner === this.#ownership.owner;
    throw new CairnError(
      "session.busy",
      `Session ${row.id} is running ${here ? "in this process" : "in another window or process"}. Wait for it, or stop it there.`,
    );
  }

  #set({ number }: SessionRow, assignments: string, values: readonly Value[]): void {
    this.#file.run(`update session set ${assignments} where number = ?`, ...values, number);
  }
}

function sessionRow(row: Row): SessionRow {
  return {
    number: Number(row["number"]),
    id: String(row["id"]),
    owner: row["owner"] === null ? null : String(row["owner"]),
    leaseUntil: Number(row["lease_until"]),
    epoch: Number(row["epoch"]),
    format: Number(row["format"]),
    readOnly: row["read_only"] !== 0,
    records: Number(row["records"]),
  };
}

import { CairnError } from "../../src/core/errors.ts";
import type { AuditEntry, AuditLog } from "../../src/core/ports.ts";

/** A log in memory, on a disk that fails when it is told to. */
export class MemoryAudit implements AuditLog {
  readonly entries: AuditEntry[] = [];
  /** Entries that cannot be written. */
  failsAt: (entry: AuditEntry) => boolean = () => false;

  async write(entry: AuditEntry): Promise<void> {
    if (this.failsAt(entry)) {
      throw new CairnError("audit.unwritable", "The audit log cannot be written (ENOSPC).");
    }
    this.entries.push(structuredClone(entry));
  }

  /** What is on record, a line each. */
  get told(): readonly string[] {
    return this.entries.map(({ kind, step, what, outcome }) =>
      [kind, step, what, outcome].filter((part) => part !== null).join(" | "),
    );
  }
}

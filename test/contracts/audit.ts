import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { AuditEntry, AuditLog } from "../../src/core/ports.ts";

/** A log, how to make it unwritable for a while, and what is in it in the end. */
export interface AuditUnderTest {
  readonly log: AuditLog;
  readonly fail: (on: boolean) => void;
  readonly kept: () => Promise<readonly AuditEntry[]>;
}

/** What every `AuditLog` does, the fake and the real one. */
export function auditContract(name: string, open: () => AuditUnderTest): void {
  suite(`the audit log of ${name}`, () => {
    test("keeps what is written, whole and in the order of the calls", async () => {
      const { log, kept } = open();
      const entries = [1, 2, 3].map((number) => entryOf(number));
      await Promise.all(entries.map(async (entry) => log.write(entry)));
      assert.deepEqual(await kept(), entries);
    });

    test("refuses with audit.unwritable, keeps nothing of it, and goes on when it can", async () => {
      const { log, fail, kept } = open();
      fail(true);
      await assert.rejects(log.write(entryOf(1)), { code: "audit.unwritable" });
      fail(false);
      await log.write(entryOf(2));
      assert.deepEqual(await kept(), [entryOf(2)]);
    });
  });
}

function entryOf(number: number): AuditEntry {
  return {
    kind: "began",
    session: "s",
    step: `step/${number}`,
    operation: `o${number}`,
    digest: "d",
    by: { user: "dev", surface: "panel" },
    what: `number ${number}`,
    outcome: null,
  };
}

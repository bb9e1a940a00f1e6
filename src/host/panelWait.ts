import { amount } from "../core/spending.ts";
import type { PanelWait } from "../protocol.ts";
import type { KnownWait } from "./knownSessions.ts";

/** A wait as the panel shows it: the record itself, and what only the host can say of it. */
export function panelWait({ record, goal }: KnownWait, now: number): PanelWait {
  const { subject, deadlineMs, at } = record;
  return {
    record,
    goal,
    amounts:
      subject.kind === "budget"
        ? {
            used: amount(subject.budget, subject.used),
            limit: amount(subject.budget, subject.limit),
            add: amount(subject.budget, subject.add),
          }
        : null,
    leftMs: deadlineMs === undefined ? null : at + deadlineMs - now,
  };
}

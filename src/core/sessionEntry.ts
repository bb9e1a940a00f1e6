import type { SessionSummary } from "./ports.ts";
import { statusOf } from "./replay.ts";
import type { SessionEntry } from "./sessions.ts";

/** A session as lists show it; null for one that has no beginning on record. */
export function entryOf(summary: SessionSummary): SessionEntry | null {
  const { session, first, last, held, readOnly, records } = summary;
  if (first.kind !== "session.started") return null;
  return {
    session,
    goal: first.spec.goal,
    madeBy: first.spec.derivation?.mode ?? null,
    status: statusOf(last),
    held,
    readOnly,
    startedAt: first.at,
    lastAt: last.at,
    records,
  };
}

import type { SessionSummary } from "./ports.ts";
import type { SessionStatus } from "./records.ts";
import { statusOf } from "./replay.ts";

export interface KeptSession {
  readonly session: string;
  readonly status: SessionStatus;
  /** When its last record was written, in milliseconds since the epoch. */
  readonly lastAt: number;
  /** What removing it gives back. */
  readonly bytes: number;
  /** True while a living owner holds it. */
  readonly held: boolean;
}

/** Null is no limit. */
export interface RetentionPolicy {
  readonly maxAgeMs: number | null;
  readonly maxBytes: number | null;
}

export interface Retention {
  /** What to remove, in this order: too old ones, then the oldest until the rest fits. */
  readonly expired: readonly { readonly session: string; readonly reason: "age" | "size" }[];
  /** By how much the rest is still over the limit, because sessions that run, wait or are held stay; else 0. */
  readonly bytesOver: number;
}

/**
 * Which sessions a policy removes: only such as have ended and that nobody holds. Exactly as old
 * as the limit is not too old. A session that gives nothing back is not removed for its size.
 */
export function chooseExpired(
  sessions: readonly KeptSession[],
  policy: RetentionPolicy,
  now: number,
): Retention {
  const { maxAgeMs, maxBytes } = policy;
  const oldest = sessions.filter(mayGo).toSorted(byAge);
  const old = oldest.filter(({ lastAt }) => maxAgeMs !== null && now - lastAt > maxAgeMs);
  const gone = new Set(old);
  let total = sessions.reduce((sum, each) => sum + (gone.has(each) ? 0 : each.bytes), 0);
  const large = oldest.filter((each) => {
    const goes = maxBytes !== null && total > maxBytes && !gone.has(each) && each.bytes > 0;
    if (goes) total -= each.bytes;
    return goes;
  });
  return {
    expired: [
      ...old.map(({ session }) => ({ session, reason: "age" as const })),
      ...large.map(({ session }) => ({ session, reason: "size" as const })),
    ],
    bytesOver: maxBytes === null ? 0 : Math.max(0, total - maxBytes),
  };
}

/** Sessions as a policy sees them: those that run here, and sources that others need, are held. */
export function keptSessions(
  summaries: readonly SessionSummary[],
  sizes: ReadonlyMap<string, number>,
  isLive: (session: string) => boolean,
): readonly KeptSession[] {
  const needed = new Set(summaries.flatMap(sourceOfUnfinished));
  return summaries.map(({ session, last, held }) => ({
    session,
    status: statusOf(last),
    lastAt: last.at,
    bytes: sizes.get(session) ?? 0,
    held: held || needed.has(session) || isLive(session),
  }));
}

/** A replay or a fork that has not ended goes on only while its source is there. */
function sourceOfUnfinished({ first, last }: SessionSummary): readonly string[] {
  const status = statusOf(last);
  const source = first.kind === "session.started" ? first.spec.replayOf : null;
  return source !== null && (status === "running" || status === "waiting") ? [source] : [];
}

function mayGo({ status, held }: KeptSession): boolean {
  return !held && status !== "running" && status !== "waiting";
}

function byAge(left: KeptSession, right: KeptSession): number {
  return left.lastAt - right.lastAt || (left.session < right.session ? -1 : 1);
}

import { CairnError } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import type { WaitFacts } from "../core/sessions.ts";
import { amount } from "../core/spending.ts";
import { timeLeft, type Clock } from "../core/timeLeft.ts";
import type { PanelWait } from "../protocol.ts";
import type { KnownSessions, KnownWait } from "./knownSessions.ts";

/** What is known beside the record of a wait; null when that is nothing, or cannot be had. */
export async function factsOf(
  known: KnownSessions,
  { record }: KnownWait,
  log: Log,
): Promise<WaitFacts | null> {
  if (record.waitKind !== "approval") return null;
  const { session, wait } = record;
  try {
    const facts = await (await known.sessionsOf(session)).waitFacts(session, wait);
    const { alike, grants, tightening } = facts;
    const isEmpty = alike.approved + alike.rejected + grants.length === 0;
    return isEmpty && tightening === undefined ? null : facts;
  } catch (error) {
    if (!CairnError.is(error)) throw error;
    log(`${error.code}: ${error.message}`);
    return null;
  }
}

/** A wait as the panel shows it: the record itself, and what only the host can say of it. */
export function panelWait(
  { record, goal }: KnownWait,
  said: Pick<PanelWait, "facts" | "nonce"> & { readonly world: Clock },
): PanelWait {
  const { subject } = record;
  const { facts, nonce, world } = said;
  return {
    record,
    goal,
    nonce,
    facts,
    amounts:
      subject.kind === "budget"
        ? {
            used: amount(subject.budget, subject.used),
            limit: amount(subject.budget, subject.limit),
            add: amount(subject.budget, subject.add),
          }
        : null,
    leftMs: timeLeft(record, world),
  };
}

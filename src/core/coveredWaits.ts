import type { Permissions } from "./ports.ts";
import { actionsOf } from "./backtest.ts";
import type { Decision, Identity } from "./records.ts";
import type { OpenWait } from "./replay.ts";

/** A rule's answer to an open approval, as it goes on record. */
export interface CoveredWait {
  readonly open: OpenWait;
  readonly answer: Decision;
  readonly by: Identity;
}

/** Open approvals of calls that a rule allows by now, with the answer that the rule gives. */
export async function coveredWaits(
  policy: Permissions,
  waits: readonly OpenWait[],
): Promise<readonly CoveredWait[]> {
  const covered: CoveredWait[] = [];
  for (const open of waits) {
    const actions = open.waitKind === "approval" ? actionsOf(open.subject) : [];
    const rulings = await Promise.all(actions.map(async (action) => policy.decide(action)));
    const rule = rulings[0]?.rule ?? null;
    const isAllowed = rulings.every((ruling) => ruling.verdict === "allow" && ruling.rule !== null);
    if (rule === null || !isAllowed) continue;
    const answer = { approved: true, note: rule.sentence };
    covered.push({ open, answer, by: { user: `rule ${rule.id}`, surface: "policy" } });
  }
  return covered;
}

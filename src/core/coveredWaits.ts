import type { Permissions } from "./ports.ts";
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
    const { waitKind, subject } = open;
    const action = subject.kind === "tool" ? subject.action : undefined;
    if (waitKind !== "approval" || action === undefined) continue;
    const { verdict, rule } = await policy.decide(action);
    if (verdict !== "allow" || rule === null) continue;
    const answer = { approved: true, note: rule.sentence };
    covered.push({ open, answer, by: { user: `rule ${rule.id}`, surface: "policy" } });
  }
  return covered;
}

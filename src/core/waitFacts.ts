import * as z from "zod";
import { actionsOf, backtest, covers, pastActions, pastRequests, tightening } from "./backtest.ts";
import { CairnError } from "./errors.ts";
import { offersFor } from "./grant.ts";
import type { CommandReader, World } from "./ports.ts";
import type { SessionRecord } from "./records.ts";
import { rule } from "./rule.ts";
import type { WaitFacts } from "./sessions.ts";
import type { Tool } from "./tool.ts";

export interface FactsContext {
  readonly world: World;
  readonly tools: readonly Tool[];
  readonly commands: CommandReader;
  /** The user's folder. */
  readonly folder: string;
}

const nothing: WaitFacts = { alike: { approved: 0, rejected: 0 }, grants: [] };

/**
 * What the folder's sessions say of an open approval: what was decided on alike actions, and what
 * each wider yes, or each rule that it adds, would have done so far. Pure. Throws `wait.unknown`.
 */
export function waitFacts(
  { world, tools, commands, folder }: FactsContext,
  wait: string,
  records: readonly SessionRecord[],
  others: readonly (readonly SessionRecord[])[],
): WaitFacts {
  const opened = records.findLast(
    (record) => record.kind === "wait.opened" && record.wait === wait,
  );
  if (opened?.kind !== "wait.opened") {
    throw new CairnError("wait.unknown", `The session has no wait ${wait}.`);
  }
  const { subject } = opened;
  if (subject.kind === "rule") {
    const rules = z.array(rule).safeParse(subject.adds).data ?? [];
    if (rules.length === 0) return nothing;
    const sessions = [records, ...others];
    const past = tools
      .flatMap((tool) => sessions.flatMap((each) => pastActions(each, tool, { world, commands })))
      .concat(sessions.flatMap(pastRequests));
    return { ...nothing, tightening: tightening(past, rules, folder) };
  }
  const actions = actionsOf(subject);
  const tool = tools.find(({ name }) => name === actions[0]?.tool);
  if (actions.length === 0 || (tool === undefined && subject.kind !== "egress")) {
    return nothing;
  }
  const past = [records, ...others].flatMap((each) =>
    tool === undefined ? pastRequests(each) : pastActions(each, tool, { world, commands }),
  );
  const offered = offersFor(world, opened, folder);
  const [widest] = offered;
  const alike = past.filter((one) =>
    widest === undefined
      ? actions.some(({ args }) => one.action.args === args)
      : covers(widest.rules, one.action),
  );
  const count = (answer: "approved" | "rejected"): number =>
    alike.filter((one) => one.answer === answer).length;
  return {
    alike: { approved: count("approved"), rejected: count("rejected") },
    grants: offered.map(({ grant, rules, sentence, from }) => ({
      grant,
      sentence,
      from,
      past: backtest(past, rules),
    })),
  };
}

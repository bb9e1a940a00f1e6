import { backtest, covers, pastActions } from "./backtest.ts";
import { CairnError } from "./errors.ts";
import { grantsFor } from "./grant.ts";
import type { CommandReader, World } from "./ports.ts";
import type { SessionRecord } from "./records.ts";
import type { WaitFacts } from "./sessions.ts";
import type { Tool } from "./tool.ts";

export interface FactsContext {
  readonly world: World;
  readonly tools: readonly Tool[];
  readonly commands: CommandReader;
  /** The user's folder. */
  readonly folder: string;
}

/**
 * What the folder's sessions say of an open approval: what was decided on alike actions, and what
 * each wider yes would have done so far. Pure. Throws `wait.unknown`.
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
  const action = subject.kind === "tool" ? subject.action : undefined;
  const tool = tools.find(({ name }) => name === action?.tool);
  if (action === undefined || tool === undefined) {
    return { alike: { approved: 0, rejected: 0 }, grants: [] };
  }
  const past = [records, ...others].flatMap((each) => pastActions(each, tool, { world, commands }));
  const offered = grantsFor(world, action, folder);
  const [widest] = offered;
  const alike = past.filter((one) =>
    widest === undefined ? one.action.args === action.args : covers(widest.rules, one.action),
  );
  const count = (answer: "approved" | "rejected"): number =>
    alike.filter((one) => one.answer === answer).length;
  return {
    alike: { approved: count("approved"), rejected: count("rejected") },
    grants: offered.map(({ grant, rules, sentence }) => ({
      grant,
      sentence,
      past: backtest(past, rules),
    })),
  };
}

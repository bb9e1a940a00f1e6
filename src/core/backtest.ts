import type { Action } from "./action.ts";
import { actionOf, type ActionContext } from "./actionOf.ts";
import type { Answered, Started } from "./flowMemory.ts";
import { decide } from "./policy.ts";
import { namedProfile } from "./profile.ts";
import type { Ruling } from "./ports.ts";
import { decision, type SessionRecord } from "./records.ts";
import type { WaitSubject } from "./waitSubject.ts";
import type { Verdict } from "./profileRecord.ts";
import type { Rule, ScopedRule } from "./rule.ts";
import type { Tool } from "./tool.ts";

/** Something that a session of this folder did, or was not let do. */
export interface PastAction {
  readonly action: Action;
  /** What the operator said to it; null where nobody was asked. */
  readonly answer: "approved" | "rejected" | null;
}

/** What rules would have done with the past. */
export interface Backtest {
  readonly seen: number;
  readonly passed: number;
  readonly rejected: number;
}

/** What rules that only tighten would have done with the past. */
export interface Tightening {
  readonly seen: number;
  readonly denied: number;
  readonly asked: number;
}

/** What an approval decides on; nothing where it is about no action. */
export function actionsOf(subject: WaitSubject): readonly Action[] {
  if (subject.kind === "egress") return subject.actions ?? [];
  return subject.kind === "tool" && subject.action !== undefined ? [subject.action] : [];
}

/** What was answered to requests that wanted to leave, by a session's records. */
export function pastRequests(records: readonly SessionRecord[]): readonly PastAction[] {
  const asked = new Map<string, readonly Action[]>();
  return records.flatMap((record) => {
    if (record.kind === "wait.opened" && record.subject.kind === "egress") {
      asked.set(record.wait, actionsOf(record.subject));
    }
    if (record.kind !== "wait.answered") return [];
    const answer = answerOf(record);
    const actions = asked.get(record.wait) ?? [];
    return answer === null ? [] : actions.map((action) => ({ action, answer }));
  });
}

/**
 * What a session's records say of calls of one tool: those that were asked about, as they were
 * asked, and those that ran without a question, read anew. What only reads needs no rule.
 */
export function pastActions(
  records: readonly SessionRecord[],
  tool: Tool,
  reading: Pick<ActionContext, "world" | "commands">,
): readonly PastAction[] {
  const asked = new Map<string, Action>();
  const past: PastAction[] = [];
  for (const record of records) {
    if (record.kind === "wait.opened" && record.subject.kind === "tool") {
      const { action } = record.subject;
      if (action?.tool === tool.name) asked.set(record.wait, action);
    } else if (record.kind === "wait.answered") {
      const answer = answerOf(record);
      const action = asked.get(record.wait);
      if (action !== undefined && answer !== null) past.push({ action, answer });
    } else if (startsUnasked(record, asked)) {
      const action = ranAs(record, records, tool, reading);
      if (action !== null) past.push({ action, answer: null });
    }
  }
  return past.filter(({ action }) => action.risk !== "R0");
}

/** A command that began to send something is the same command. */
function startsUnasked(
  record: SessionRecord,
  asked: ReadonlyMap<string, Action>,
): record is Started {
  if (record.kind !== "step.started" || record.leaves !== undefined) return false;
  return !asked.has(`${record.step}/approval`);
}

/** Null for what no person said. */
function answerOf({ answer, by }: Answered): PastAction["answer"] {
  const given = decision.safeParse(answer).data;
  if (given === undefined || !isAPersons(by.surface)) return null;
  return given.approved ? "approved" : "rejected";
}

function ranAs(
  { name, step, sent }: Started,
  [first]: readonly SessionRecord[],
  tool: Tool,
  reading: Pick<ActionContext, "world" | "commands">,
): Action | null {
  if (name !== tool.name || sent === undefined || first?.kind !== "session.started") return null;
  const prepared = tool.prepare({ id: step, tool: name, args: JSON.stringify(sent) });
  if (prepared.kind !== "run") return null;
  const { session, spec } = first;
  return actionOf({ ...reading, session, spec }, name, prepared, "/workspace");
}

function isAPersons(surface: string): boolean {
  return surface === "panel" || surface === "quickPick" || surface === "cli";
}

/** Lets rules run over the past, in every session of it. */
export function backtest(past: readonly PastAction[], rules: readonly Rule[]): Backtest {
  const passed = past.filter(({ action }) => covers(rules, action));
  const rejected = passed.filter(({ answer }) => answer === "rejected").length;
  return { seen: past.length, passed: passed.length, rejected };
}

/** Lets rules of a folder run over its past: what no rule of them is about, they leave as it was. */
export function tightening(
  past: readonly PastAction[],
  rules: readonly Rule[],
  folder: string,
): Tightening {
  const scoped = rules.map((rule) => ({ rule, scope: "workspace" as const }));
  const rulings = past.map(({ action }) => decidedBy(scoped, action, folder));
  const count = (verdict: Verdict): number =>
    rulings.filter((ruling) => ruling.rule !== null && ruling.verdict === verdict).length;
  return { seen: past.length, denied: count("deny"), asked: count("ask") };
}

/** Whether rules alone would let an action pass, whichever session and folder it is of. */
export function covers(rules: readonly Rule[], action: Action): boolean {
  const scoped = rules.map((rule) => ({ rule: anywhere(rule), scope: "user" as const }));
  return decidedBy(scoped, action, "").verdict === "allow";
}

function decidedBy(rules: readonly ScopedRule[], action: Action, folder: string): Ruling {
  const { service: call } = action;
  const services = call === undefined ? {} : { allowedServices: { [call.service]: {} } };
  const profile = { ...namedProfile("strict"), tools: [action.tool], ...services };
  return decide(action, profile, { rules, doubt: null }, folder);
}

function anywhere({ folder: _folder, session: _session, ...rule }: Rule): Rule {
  return rule;
}

import { reachWords, riskWords } from "./actionWords.ts";
import { addressOf, onceWords, proxyWords, sendWords } from "./egressWords.ts";
import type { JsonValue } from "./records.ts";
import type { FileChange, WaitSubject } from "./waitSubject.ts";
import type { OpenWait } from "./replay.ts";
import { amount } from "./spending.ts";
import { utcTime } from "./utcTime.ts";
import { deceptions } from "./visibleText.ts";

type Subject<Kind> = Extract<WaitSubject, { kind: Kind }>;

/** As much as a model is given for its reason before the rest has to be asked for. */
const mostReason = 200;

/**
 * What a wait is about, line by line, for places that show text only: all that an answer would be
 * bound to, what in it may deceive, and until when.
 */
export function subjectLines({ subject, at, deadlineMs }: OpenWait): readonly string[] {
  const lines = about(subject);
  const found = deceptions(lines.join("\n"));
  const careful = found.map((what) => `careful, ${what}`);
  const until = deadlineMs === undefined ? [] : [`open until ${utcTime(at + deadlineMs)}`];
  return [...careful, ...lines, ...until];
}

function about(subject: WaitSubject): readonly string[] {
  switch (subject.kind) {
    case "tool":
      return toolLines(subject);
    case "question":
      return subject.choices.map((choice) => `- ${choice}`);
    case "apply":
      return subject.changes.flatMap(changeLines);
    case "inDoubt":
      return evidence(subject);
    case "budget":
      return budgetLines(subject);
    case "image":
      return imageLines(subject);
    case "egress":
      return egressLines(subject);
    case "skillUpdate":
      return skillLines(subject);
    case "rule":
      return ruleLines(subject);
    case "restoreConflict":
      return restoreLines(subject);
    case "form":
      return formLines(subject);
  }
}

/** What leaves comes first; the command that ran is the evidence for it. */
function egressLines(subject: Subject<"egress">): readonly string[] {
  const { method, url, host, rule, command, actions = [], proxy, ready } = subject;
  const more = actions.slice(1).map((one) => `${method} ${addressOf(one) ?? url}`);
  return [
    `${method} ${url}`,
    ...more,
    `to ${host}`,
    sendWords(method),
    ...(command === undefined ? [] : `while this ran: ${command}`.split("\n")),
    ruleLine(rule),
    ...(proxy === undefined ? [] : [onceWords(proxy)]),
    ...(ready === undefined
      ? []
      : [`ready rule, from ${ready.from}: Allows ${proxyWords(ready.proxy)}.`]),
  ];
}

function budgetLines({ budget, used, limit, add, next }: Subject<"budget">): readonly string[] {
  return [
    `used ${amount(budget, used)} of ${amount(budget, limit)}; yes adds ${amount(budget, add)}`,
    `next: ${next}`,
  ];
}

function skillLines({ source, from, to, files }: Subject<"skillUpdate">): readonly string[] {
  return [`skills of ${source}`, `${from ?? "none"} -> ${to}`, ...files.flatMap(changeLines)];
}

/** What may become worse by it comes first; the file is the evidence. */
function ruleLines({ sentence, scope, from, risk, change }: Subject<"rule">): readonly string[] {
  return [
    ...(risk === undefined ? [] : [risk]),
    ...sentence.split("\n"),
    `for: ${scope}`,
    `proposed by: ${from}`,
    ...(change === undefined ? [] : changeLines(change)),
  ];
}

function restoreLines(subject: Subject<"restoreConflict">): readonly string[] {
  const { path, yours, theirs, diff, undo } = subject;
  return [
    path,
    `in your folder: ${yours}`,
    `instead: ${theirs}`,
    ...(undo === undefined ? [] : [`undo: ${undo}`]),
    ...(diff?.split("\n") ?? []),
  ];
}

function formLines({ about: shown, schema }: Subject<"form">): readonly string[] {
  return [
    ...(shown === null ? [] : json(shown)),
    ...(schema === null ? [] : ["the answer fits this schema:", ...json(schema)]),
  ];
}

/** What will run comes first, and the model's words last. */
function toolLines(subject: Subject<"tool">): readonly string[] {
  const { tool, args, what, where, reason, action, rule, undo, shell } = subject;
  const isAll = JSON.stringify(args) === JSON.stringify({ command: what });
  const short = reason.length > mostReason ? `${reason.slice(0, mostReason)}…` : reason;
  return [
    ...`$ ${what}`.split("\n"),
    ...(isAll ? [] : [`arguments of ${tool}:`, ...json(args)]),
    `in ${where}`,
    ...(action === undefined ? [] : [riskWords[action.risk], reachWords(action.place)]),
    ...(rule === undefined ? [] : [ruleLine(rule)]),
    ...(undo === undefined ? [] : [`undo: ${undo}`]),
    ...(shell === undefined || shell === "" ? [] : [`the shell: ${shell}`]),
    ...(reason === "" ? [] : [`the model says: ${short}`]),
  ];
}

function ruleLine(rule: string | null): string {
  return rule === null ? "asked by default" : `asked by a rule: ${rule}`;
}

/** All that an approval lets run, and what it does not give. */
function imageLines(subject: Subject<"image">): readonly string[] {
  const { image, identity, file, dockerfile, context, env, commands, refused } = subject;
  return [
    `image ${image}`,
    `identity ${identity}`,
    `asked for by ${file}`,
    ...(dockerfile === null ? [] : [context, "built from:", ...dockerfile.split("\n")]),
    ...Object.entries(env).map(([name, value]) => `sets ${name}=${value}`),
    ...commands.map(({ name, command }) => `runs inside (${name}): ${command}`),
    ...refused.map((sentence) => `not given: ${sentence}`),
  ];
}

/** One changed file, with its diff. */
export function changeLines(given: FileChange): readonly string[] {
  const { path, change, diff, conflict, binary, guard } = given;
  if (conflict !== null) return [`left alone: ${path} (${conflict})`];
  return [
    `${change} ${path}${binary ? " (binary)" : ""}`,
    ...(guard === undefined ? [] : [`protected: ${guard}`]),
    ...(diff === null ? [] : diff.split("\n")),
  ];
}

/** What was sent, when, and what can be seen of it: enough to decide without guessing. */
function evidence(subject: Subject<"inDoubt">): readonly string[] {
  const { what, startedAt, operation, sent, observed, result } = subject;
  return [
    `started ${utcTime(startedAt)}: ${what}`,
    `operation ${operation}`,
    ...(sent === undefined ? [] : ["sent:", ...json(sent)]),
    ...(observed ?? "Nothing can be seen of its outcome from here.").split("\n"),
    ...(result === undefined ? [] : ["recorded if it happened:", ...json(result)]),
  ];
}

function json(value: JsonValue): readonly string[] {
  return JSON.stringify(value, null, 2).split("\n");
}

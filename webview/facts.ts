import { alikeWords, reachWords, riskWords, tighteningWords } from "../src/core/actionWords.ts";
import { foldedText } from "../src/core/foldedText.ts";
import type { PanelWait } from "../src/protocol.ts";
import { addressOf, onceWords, proxyWords, sendWords } from "../src/core/egressWords.ts";
import { changes } from "./changes.ts";
import { argumentBlocks, careful, code, json, more } from "./code.ts";
import type { Folds } from "./folds.ts";
import { element } from "./ui/element.ts";

type Subject<Kind> = Extract<PanelWait["record"]["subject"], { kind: Kind }>;
type Row = readonly [name: string, value: string];

/** As much as a model is given for its reason before the rest has to be asked for. */
const mostReason = 200;

/** What a card is headed with. A question stands there whole unless it is the model's own. */
export function titleOf({ record }: PanelWait): string {
  const { subject, wait, question } = record;
  switch (subject.kind) {
    case "tool":
    case "apply":
    case "form":
    case "image":
    case "egress":
    case "skillUpdate":
    case "rule":
    case "restoreConflict":
      return question;
    case "question":
      return isModels(wait) ? "The model asks" : question;
    case "inDoubt":
      return "This may have happened already";
    case "budget":
      return subject.budget === "sameFailure"
        ? "The same call keeps failing"
        : `The budget of ${budgetNames[subject.budget]} is used up`;
  }
}

/** What the operator decides on, from the record: exactly what will happen comes first. */
export function facts(wait: PanelWait, folds: Folds): readonly HTMLElement[] {
  const { subject } = wait.record;
  switch (subject.kind) {
    case "tool":
      return toolFacts(wait, subject, folds);
    case "question":
      return questionFacts(wait.record, subject);
    case "apply":
      return changes(subject.changes, folds);
    case "inDoubt":
      return doubtFacts(subject, folds);
    case "budget":
      return budgetFacts(wait, subject, folds);
    case "form":
      return formFacts(subject, folds);
    case "image":
      return imageFacts(subject, folds);
    case "egress":
      return egressFacts(wait, subject, folds);
    case "skillUpdate":
      return skillFacts(subject, folds);
    case "rule":
      return ruleFacts(wait, subject, folds);
    case "restoreConflict":
      return restoreFacts(subject, folds);
  }
}

/** The line that stands for a call in a list of alike ones, and everything that is said of it. */
export function callFacts(
  wait: PanelWait,
  folds: Folds,
): { readonly runs: readonly HTMLElement[]; readonly rest: readonly HTMLElement[] } {
  const { subject } = wait.record;
  if (subject.kind !== "tool") return { runs: facts(wait, folds), rest: [] };
  return { runs: whatRuns(subject, folds), rest: aboutCall(wait, subject) };
}

const budgetNames: Readonly<Record<Subject<"budget">["budget"], string>> = {
  tokens: "tokens",
  money: "money",
  modelCalls: "model calls",
  commands: "commands",
  wallTime: "time",
  sameFailure: "failures",
};

const looksLike: Readonly<Record<NonNullable<Subject<"inDoubt">["seen"]>, string>> = {
  happened: "It looks as if it happened.",
  partly: "It looks as if a part of it happened.",
  absent: "It looks as if it did not happen.",
};

function toolFacts(
  wait: PanelWait,
  subject: Subject<"tool">,
  folds: Folds,
): readonly HTMLElement[] {
  return [...whatRuns(subject, folds), ...aboutCall(wait, subject)];
}

function whatRuns(
  { tool, args, what, action }: Subject<"tool">,
  folds: Folds,
): readonly HTMLElement[] {
  const isAll = JSON.stringify(args) === JSON.stringify({ command: what });
  // Those of a service lie one deeper; each is to be read as it is.
  const call = action?.service ?? { service: tool, args };
  return [
    ...code(what, "What will run", folds),
    ...(isAll ? [] : argumentBlocks(call.args, `Arguments of ${call.service}`, folds)),
  ];
}

function aboutCall(wait: PanelWait, subject: Subject<"tool">): readonly HTMLElement[] {
  const { where, reason, action, rule, undo, shell } = subject;
  return [
    list([
      ...(action === undefined ? [] : [["Risk", riskWords[action.risk]] as const]),
      ["Runs in", where],
      ...(action === undefined ? [] : [["Reaches", reachWords(action.place)] as const]),
      ...(rule === undefined ? [] : ruleRow(rule)),
      ...(undo === undefined ? [] : [["Undo", undo] as const]),
      ...(shell === undefined || shell === "" ? [] : [["The shell", shell] as const]),
      ...beside(wait),
    ]),
    ...(reason === "" ? [] : modelSays(reason)),
  ];
}

/** Labelled, short and plain: a reason is no evidence. */
function modelSays(reason: string): readonly HTMLElement[] {
  const short = reason.length > mostReason ? `${reason.slice(0, mostReason)}…` : reason;
  return [
    element("h3", "label", "The model says"),
    element("blockquote", "", short),
    ...(short === reason ? [] : [more("All that the model says", reason)]),
  ];
}

function ruleRow(rule: string | null): readonly Row[] {
  return [["Asked by", rule ?? "the default for this risk"]];
}

function beside({ facts: known }: PanelWait): readonly Row[] {
  const words = known === null ? null : alikeWords(known.alike);
  return words === null ? [] : [["Before", words]];
}

/** A question that the title does not say already. */
function questionFacts(
  { wait, question }: PanelWait["record"],
  subject: Subject<"question">,
): readonly HTMLElement[] {
  if (!isModels(wait) && subject.question === question) return [];
  return [...careful(subject.question), element("p", "question", subject.question)];
}

function skillFacts(subject: Subject<"skillUpdate">, folds: Folds): readonly HTMLElement[] {
  return [
    list([
      ["Source", subject.source],
      ["In use", subject.from ?? "nothing yet"],
      ["New", subject.to],
    ]),
    ...changes(subject.files, folds),
  ];
}

/** What may become worse comes first, then each rule; the file is the evidence. */
function ruleFacts(
  { facts: known }: PanelWait,
  { sentence, scope, from, risk, change }: Subject<"rule">,
  folds: Folds,
): readonly HTMLElement[] {
  const past = known?.tightening;
  return [
    ...(risk === undefined ? [] : [element("p", "careful", risk)]),
    ...sentences(sentence, "What the rule does", folds),
    list([
      ["For", scope],
      ["Proposed by", from],
      ...(past === undefined ? [] : [["So far", tighteningWords(past)] as const]),
    ]),
    ...(change === undefined ? [] : changes([change], folds)),
  ];
}

/** A few sentences are read as such, many fold as a text does. */
function sentences(text: string, label: string, folds: Folds): readonly HTMLElement[] {
  if (foldedText(text) !== null) return code(text, label, folds);
  const items = text.split("\n").map((sentence) => element("li", "", sentence));
  return [...careful(text), element("ul", "sentences", items)];
}

/** What lies there and what would replace it, then exactly how they differ. */
function restoreFacts(subject: Subject<"restoreConflict">, folds: Folds): readonly HTMLElement[] {
  const { path, yours, theirs, diff, contested, undo } = subject;
  const change =
    contested?.yours === null ? "added" : contested?.theirs === null ? "deleted" : "modified";
  return [
    list([
      ["In your folder", yours],
      ["Instead", theirs],
      ...(undo === undefined ? [] : [["Undo", undo] as const]),
    ]),
    ...changes([{ path, change, diff, binary: diff === null, conflict: null }], folds),
  ];
}

/** Every address that a yes is about; the command is the evidence, and did run. */
function egressFacts(
  wait: PanelWait,
  subject: Subject<"egress">,
  folds: Folds,
): readonly HTMLElement[] {
  const { method, url, host, rule, command, actions = [], proxy, ready } = subject;
  const addresses = actions.map((one) => addressOf(one) ?? url);
  const sent = (addresses.length === 0 ? [url] : addresses).map((one) => `${method} ${one}`);
  return [
    ...code(sent.join("\n"), "What will be sent", folds),
    list([
      ["Goes to", host],
      ["Risk", sendWords(method)],
      ...ruleRow(rule),
      ...(proxy === undefined ? [] : [["A yes", onceWords(proxy)] as const]),
      ...(ready === undefined
        ? []
        : [["Ready rule", `From ${ready.from}: Allows ${proxyWords(ready.proxy)}.`] as const]),
      ...beside(wait),
    ]),
    ...(command === undefined
      ? []
      : [
          element("h3", "label", "While this command ran"),
          ...code(command, "The command that ran", folds),
        ]),
  ];
}

function doubtFacts(subject: Subject<"inDoubt">, folds: Folds): readonly HTMLElement[] {
  const { what, startedAt, operation, sent, observed, seen, result } = subject;
  const looks = [seen === undefined ? [] : [looksLike[seen]], observed ?? []].flat();
  return [
    ...code(what, "What may have happened", folds),
    list([
      ["Started", `${new Date(startedAt).toLocaleString()}. Its outcome is not on record.`],
      ["Seen now", looks.join("\n") || "Nothing of the outcome can be seen from here."],
      ["Operation", operation.slice(0, 16)],
    ]),
    ...(sent === undefined ? [] : [more("What was sent", json(sent))]),
    ...(result === undefined ? [] : [more("Result that was read off", json(result))]),
  ];
}

function budgetFacts(
  { amounts, record }: PanelWait,
  { budget, next }: Subject<"budget">,
  folds: Folds,
): readonly HTMLElement[] {
  const failing = budget === "sameFailure";
  const rows: readonly Row[] =
    amounts === null
      ? []
      : [
          ["Used", amounts.used],
          ["Limit", amounts.limit],
          ["A yes adds", amounts.add],
        ];
  return [
    ...(failing
      ? [element("p", "", record.question), ...code(next, "What would run again", folds)]
      : []),
    list(failing ? rows : [...rows, ["Next", next]]),
  ];
}

function formFacts({ about, schema }: Subject<"form">, folds: Folds): readonly HTMLElement[] {
  const text =
    typeof about === "string"
      ? [...careful(about), element("p", "question", about)]
      : code(json(about), "What it is about", folds);
  return [
    ...(about === null ? [] : text),
    ...(schema === null ? [] : [more("Schema of the answer", json(schema))]),
  ];
}

/** What the folder asks for is shown whole: the image, what it is built from, what runs inside, what it does not get. */
function imageFacts(subject: Subject<"image">, folds: Folds): readonly HTMLElement[] {
  const { image, identity, file, dockerfile, context, env, commands, refused } = subject;
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const runs = commands.map(({ name, command }) => `# ${name}\n${command}`);
  const labelled = (label: string, lines: readonly string[], name: string) =>
    lines.length === 0
      ? []
      : [element("h3", "label", label), ...code(lines.join("\n"), name, folds)];
  return [
    list([
      ["Image", image],
      ["Identity", identity],
      ["Asked for by", file],
    ]),
    ...(dockerfile === null
      ? []
      : [...code(dockerfile, "Dockerfile", folds), element("p", "note", context)]),
    ...labelled("Runs inside", runs, "Commands of the folder"),
    ...labelled("Variables that it sets", variables, "Variables that it sets"),
    ...labelled("Not given", refused, "What it does not get"),
  ];
}

/** Whether the model of an agent asked, and not a flow. */
function isModels(wait: string): boolean {
  return /^turn\/\d+\/tool\/.+\/answer/.test(wait);
}

function list(rows: readonly Row[]): HTMLElement {
  const cells = rows.flatMap(([name, value]) => [
    element("dt", "", name),
    element("dd", "", value),
  ]);
  return element("dl", "", cells);
}

import type { PanelWait } from "../src/protocol.ts";
import { changes } from "./changes.ts";
import { element } from "./ui/element.ts";

type Subject<Kind> = Extract<PanelWait["record"]["subject"], { kind: Kind }>;

/** What a card is headed with. A question stands there whole unless it is the model's own. */
export function titleOf({ record }: PanelWait): string {
  const { subject, wait, question } = record;
  switch (subject.kind) {
    case "tool":
    case "apply":
    case "form":
    case "image":
    case "skillUpdate":
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

/** What the operator decides on, from the record alone. */
export function facts(wait: PanelWait): readonly HTMLElement[] {
  const { subject, question, wait: id } = wait.record;
  switch (subject.kind) {
    case "tool":
      return toolFacts(subject);
    case "question":
      return isModels(id) || subject.question !== question
        ? [element("p", "question", subject.question)]
        : [];
    case "apply":
      return changes(subject.changes);
    case "inDoubt":
      return doubtFacts(subject);
    case "budget":
      return budgetFacts(wait, subject);
    case "form":
      return formFacts(subject);
    case "image":
      return imageFacts(subject);
    case "skillUpdate":
      return skillFacts(subject);
  }
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

function toolFacts({ tool, args, what, where, reason }: Subject<"tool">): readonly HTMLElement[] {
  return [
    code(what, "What will run"),
    element("p", "note", `Runs in ${where}.`),
    ...(isWhole(args, what) ? [] : [more(`Arguments of ${tool}`, json(args))]),
    ...(reason === ""
      ? []
      : [element("h3", "label", "The model says"), element("blockquote", "", reason)]),
  ];
}

function doubtFacts(subject: Subject<"inDoubt">): readonly HTMLElement[] {
  const { what, startedAt, operation, sent, observed, seen, result } = subject;
  const looks = [seen === undefined ? [] : [looksLike[seen]], observed ?? []].flat();
  return [
    code(what, "What may have happened"),
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
): readonly HTMLElement[] {
  const failing = budget === "sameFailure";
  const rows: readonly (readonly [string, string])[] =
    amounts === null
      ? []
      : [
          ["Used", amounts.used],
          ["Limit", amounts.limit],
          ["A yes adds", amounts.add],
        ];
  return [
    ...(failing ? [element("p", "", record.question), code(next, "What would run again")] : []),
    list(failing ? rows : [...rows, ["Next", next]]),
  ];
}

function formFacts({ about, schema }: Subject<"form">): readonly HTMLElement[] {
  const text = typeof about === "string" ? element("p", "question", about) : null;
  return [
    ...(about === null ? [] : [text ?? code(json(about), "What it is about")]),
    ...(schema === null ? [] : [more("Schema of the answer", json(schema))]),
  ];
}

/** What the folder asks for is shown whole: the image, what it is built from, what runs inside, what it does not get. */
function imageFacts(subject: Subject<"image">): readonly HTMLElement[] {
  const { image, identity, file, dockerfile, context, env, commands, refused } = subject;
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const runs = commands.map(({ name, command }) => `# ${name}\n${command}`);
  return [
    list([
      ["Image", image],
      ["Identity", identity],
      ["Asked for by", file],
    ]),
    ...(dockerfile === null ? [] : [code(dockerfile, "Dockerfile"), element("p", "note", context)]),
    ...(runs.length === 0
      ? []
      : [element("h3", "label", "Runs inside"), code(runs.join("\n"), "Commands of the folder")]),
    ...(variables.length === 0 ? [] : [more("Variables that it sets", variables.join("\n"))]),
    ...(refused.length === 0
      ? []
      : [element("h3", "label", "Not given"), code(refused.join("\n"), "What it does not get")]),
  ];
}

function skillFacts({ source, from, to, changes: files }: Subject<"skillUpdate">) {
  return [
    list([
      ["Source", source],
      ["Approved", from],
      ["Now", to],
    ]),
    ...changes(files),
  ];
}

/** Whether the model of an agent asked, and not a flow. */
function isModels(wait: string): boolean {
  return /^turn\/\d+\/tool\/.+\/answer/.test(wait);
}

/** Whether the line that is shown is all that there is to the arguments. */
function isWhole(args: unknown, what: string): boolean {
  return JSON.stringify(args) === JSON.stringify({ command: what });
}

function list(rows: readonly (readonly [string, string])[]): HTMLElement {
  const cells = rows.flatMap(([name, value]) => [
    element("dt", "", name),
    element("dd", "", value),
  ]);
  return element("dl", "", cells);
}

function more(label: string, text: string): HTMLElement {
  return element("details", "file", [element("summary", "", label), code(text, label)]);
}

function code(text: string, label: string): HTMLElement {
  const shown = element("pre", "", [element("code", "", text)]);
  shown.tabIndex = 0;
  shown.setAttribute("role", "group");
  shown.setAttribute("aria-label", label);
  return shown;
}

function json(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

import * as vscode from "vscode";
import * as z from "zod";
import { alikeWords, grantWords, pastWords, tighteningWords } from "../core/actionWords.ts";
import type { Log } from "../core/ports.ts";
import { jsonValue, type JsonValue } from "../core/records.ts";
import type { OpenWait } from "../core/replay.ts";
import type { GrantOffer, WaitFacts } from "../core/sessions.ts";
import { subjectLines } from "../core/subjectLines.ts";
import { deceptions, visibleText } from "../core/visibleText.ts";
import type { Answer } from "../core/waitAnswer.ts";
import { chooseArmed, type Choice } from "./armedList.ts";
import { giveAnswer, type AnsweringParts } from "./answering.ts";
import type { KnownWait } from "./knownSessions.ts";
import { choiceText } from "./messageText.ts";
import { factsOf } from "./panelWait.ts";
import { shortened } from "./runs.ts";

type Given = Pick<Answer, "value" | "ended">;
/** What a choice leads to: an answer, or undefined when the person leaves. */
type Next = () => Promise<Given | undefined>;

/** So many lines are read at a glance; more have to be asked for before there is a yes. */
const mostLines = 24;

const ofSession = z.object({ session: z.string() });

/** Answers what waits from a list, by keyboard alone. Nothing is chosen for the person, whoever calls it. */
export async function answerFromList(
  parts: AnsweringParts & { readonly log: Log },
  argument: unknown,
): Promise<void> {
  const chosen = await chooseWait(await parts.known.waits(), argument);
  if (chosen === undefined) return;
  const { record } = chosen;
  const facts = await factsOf(parts.known, chosen, parts.log);
  const given = await askFor(chosen, facts);
  if (given === undefined) return;
  const { wait, digest } = record;
  await giveAnswer(parts, record.session, { wait, digest, ...given, surface: "quickPick" });
}

async function chooseWait(
  all: readonly KnownWait[],
  argument: unknown,
): Promise<KnownWait | undefined> {
  const session = ofSession.safeParse(argument).data?.session ?? null;
  const waits = all.filter(({ record }) => session === null || record.session === session);
  if (waits.length === 0) {
    void vscode.window.showInformationMessage("Nothing waits for you.");
    return undefined;
  }
  if (waits.length === 1) return waits[0];
  const items = waits.map((wait) => ({
    label: choiceText(shortened(wait.record.question, 90)),
    description: choiceText(shortened(wait.goal, 40)),
    wait,
  }));
  const placeHolder = "Question to answer";
  return (await vscode.window.showQuickPick(items, { placeHolder, ignoreFocusOut: true }))?.wait;
}

/** All that an answer agrees to is in the list before a yes is. */
async function askFor(
  { record, goal }: KnownWait,
  facts: WaitFacts | null,
): Promise<Given | undefined> {
  const alike = facts === null ? null : alikeWords(facts.alike);
  const lines = [
    ...subjectLines(record).flatMap((line) => visibleText(line).split("\n")),
    ...(alike === null ? [] : [alike]),
    ...(facts?.tightening === undefined ? [] : [tighteningWords(facts.tightening)]),
    `for: ${goal}`,
  ];
  const title = shortened(record.question, 120);
  const list = { title, placeHolder: "Read what it is about, then choose an answer" };
  if (lines.length > mostLines) {
    const more: Choice<true> = {
      label: `Show all: ${lines.length - mostLines} more lines`,
      value: true,
    };
    const head = { ...list, lines: lines.slice(0, mostLines), choices: [more] };
    if ((await chooseArmed(head)) === undefined) return undefined;
  }
  const next = await chooseArmed<Next>({ ...list, lines, choices: choicesOf(record, facts) });
  return next?.();
}

function choicesOf(record: OpenWait, facts: WaitFacts | null): readonly Choice<Next>[] {
  const { subject } = record;
  switch (record.waitKind) {
    case "approval":
      return approvalChoices(record, facts);
    case "budget":
      return [
        at("Add and Go On", { approved: true, note: "" }),
        at("Stop Here", { approved: false, note: "" }),
      ];
    case "gate":
      return [at("Open", true), takeBack];
    case "boolean":
      return [at("Yes", true), at("No", false), takeBack];
    case "text": {
      const choices = subject.kind === "question" ? subject.choices : [];
      return [
        ...choices.map((choice) => at(choice, choice)),
        { label: "In Your Own Words…", value: async () => ownWords(record.question) },
        takeBack,
      ];
    }
    case "schema":
      return [{ label: "Answer as JSON…", value: async () => asJson("Your answer", "") }, takeBack];
    case "inDoubt":
      return doubtChoices(subject.kind === "inDoubt" && subject.result !== undefined);
  }
}

const takeBack: Choice<Next> = {
  label: "Take Back the Question",
  description: "the session goes on without an answer",
  value: async () => ({ value: null, ended: "aborted" }),
};

function at(label: string, value: JsonValue): Choice<Next> {
  return { label, value: async () => ({ value }) };
}

function approvalChoices({ subject }: OpenWait, facts: WaitFacts | null): readonly Choice<Next>[] {
  const wider = (facts?.grants ?? []).map((offer) => ({
    label: grantWords[offer.grant],
    description: "shows the rule first",
    value: async () => sure(offer),
  }));
  const edit =
    subject.kind === "tool"
      ? [{ label: "Edit…", value: async () => changed(subject.args, subject.what) }]
      : [];
  return [
    at("Approve Once", { approved: true, note: "" }),
    ...wider,
    ...edit,
    { label: "Reject…", description: "with a reason", value: rejected },
  ];
}

/** The rule of a wider yes is read before it is given. */
async function sure({ grant, sentence, from, past }: GrantOffer): Promise<Given | undefined> {
  const always = grant !== "session";
  return chooseArmed<Given>({
    title: always ? "Save this rule for this folder?" : "Approve all of this in this session?",
    placeHolder: "Read the rule, then choose",
    lines: [sentence, ...(from === null ? [] : [`From ${from}.`]), pastWords(past)],
    choices: [
      {
        label: always ? "Save Rule and Approve" : "Approve for This Session",
        value: { value: { approved: true, note: "", grant } },
      },
    ],
  });
}

async function rejected(): Promise<Given | undefined> {
  const note = await vscode.window.showInputBox({
    title: "Reject",
    prompt: "Why? The model is told. Empty for no reason.",
    ignoreFocusOut: true,
  });
  return note === undefined ? undefined : { value: { approved: false, note: note.trim() } };
}

/** A command of one plain line is changed as its text, all else as JSON. */
async function changed(args: JsonValue, what: string): Promise<Given | undefined> {
  const isText = JSON.stringify(args) === JSON.stringify({ command: what });
  if (!isText || what.includes("\n") || deceptions(what).length > 0) {
    const given = await asJson("Arguments", JSON.stringify(args));
    return given === undefined
      ? undefined
      : { value: { approved: true, note: "", args: given.value } };
  }
  const command = await vscode.window.showInputBox({
    title: "Approve as Changed",
    prompt: "The command as it should run. Enter approves it.",
    value: what,
    ignoreFocusOut: true,
  });
  return command === undefined
    ? undefined
    : { value: { approved: true, note: "", args: { command } } };
}

async function ownWords(question: string): Promise<Given | undefined> {
  const prompt = visibleText(question);
  const value = await vscode.window.showInputBox({ prompt, ignoreFocusOut: true });
  return value === undefined || value.trim() === "" ? undefined : { value };
}

async function asJson(title: string, value: string): Promise<Given | undefined> {
  const typed = await vscode.window.showInputBox({
    title,
    prompt: "As JSON. Enter sends it.",
    // What a field would not show stands as its escape.
    value: value.replaceAll(/[^\x20-\x7e]/g, (unit) => {
      return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
    }),
    ignoreFocusOut: true,
    validateInput: (text) => (parsed(text) === undefined ? "This is not JSON." : undefined),
  });
  const given = typed === undefined ? undefined : parsed(typed);
  return given === undefined ? undefined : { value: given };
}

function parsed(text: string): JsonValue | undefined {
  try {
    return jsonValue.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function doubtChoices(isRead: boolean): readonly Choice<Next>[] {
  return [
    ...(isRead ? [at("It Happened", { choice: "happened" })] : []),
    { label: "It Happened, with a Result…", value: happenedSo },
    at("Run Again", { choice: "runAgain" }),
    at("Skip", { choice: "skip" }),
    at("Stop", { choice: "stop" }),
  ];
}

async function happenedSo(): Promise<Given | undefined> {
  const result = await asJson("Its result", "");
  return result === undefined ? undefined : { value: { choice: "happened", result: result.value } };
}

import * as z from "zod";
import { CairnError } from "./errors.ts";
import { jsonValue, type JsonValue } from "./records.ts";
import type { OpenWait } from "./replay.ts";

/** What to type for a wait, as a proposal. */
export function suggestedAnswer({ waitKind, subject }: OpenWait): string {
  switch (waitKind) {
    case "approval":
    case "budget":
      return "approve";
    case "gate":
      return "open";
    case "boolean":
      return "yes";
    case "text":
      return (subject.kind === "question" ? subject.choices[0] : undefined) ?? "";
    case "schema":
      return "{}";
    case "inDoubt":
      return suggestedForDoubt(subject);
  }
}

/** What is seen to have happened is not done again, what is seen not to have is; without a look, nothing is repeated. */
function suggestedForDoubt(subject: OpenWait["subject"]): string {
  if (subject.kind !== "inDoubt") return "skip";
  if (subject.result !== undefined) return "happened";
  return subject.seen === "absent" || subject.seen === "partly" ? "again" : "skip";
}

/** The words that answer a wait, for people. */
export function answerForms({ waitKind, subject }: OpenWait): string {
  switch (waitKind) {
    case "approval":
      return approvalForms(subject);
    case "budget":
      return 'Answer "approve", or "reject: why".';
    case "gate":
      return 'Answer "open", or abort the wait.';
    case "boolean":
      return 'Answer "yes" or "no".';
    case "text":
      return "Type some text.";
    case "schema":
      return "Answer with JSON that fits the schema.";
    case "inDoubt":
      return 'Answer "happened", "happened: RESULT-AS-JSON", "again", "skip" or "stop".';
  }
}

/** An answer as a person types it, as a value. Throws `wait.invalidAnswer`, which leaves the wait open. */
export function parseAnswer(wait: OpenWait, typed: string): JsonValue {
  const word = /^[^:]*/.exec(typed)?.[0].trim().toLowerCase() ?? "";
  const rest = typed.includes(":") ? typed.slice(typed.indexOf(":") + 1).trim() : "";
  switch (wait.waitKind) {
    case "approval":
    case "budget":
      return decided(wait, { word, rest, typed });
    case "gate":
      return chosen(wait, word, { yes: "open", no: null });
    case "boolean":
      return chosen(wait, word, { yes: "true", no: "false" });
    case "text":
      if (typed.trim() === "") throw misunderstood(wait, typed);
      return typed;
    case "schema":
      return parsed(wait, typed, typed);
    case "inDoubt":
      return doubt(wait, { word, rest, typed });
  }
}

/** What was typed, taken apart at its first colon. */
interface Typed {
  readonly word: string;
  readonly rest: string;
  readonly typed: string;
}

function approvalForms(subject: OpenWait["subject"]): string {
  const { kind } = subject;
  if (kind === "egress" && subject.proxy !== undefined) {
    const ready = subject.ready === undefined ? "" : ' "approve: ready",';
    return `Answer "approve", "approve: session", "approve: always",${ready} or "reject: why".`;
  }
  if (kind !== "tool") return 'Answer "approve", or "reject: why".';
  return 'Answer "approve", "approve: session", "approve: always", "edit: ARGUMENTS-AS-JSON", or "reject: why".';
}

/** A decision. A wider yes is checked against what is offered by who asks for it to be sure. */
function decided(wait: OpenWait, { word, rest, typed }: Typed): JsonValue {
  const isTool = wait.waitKind === "approval" && wait.subject.kind === "tool";
  if (isTool && word === "edit")
    return { approved: true, note: "", args: parsed(wait, typed, rest) };
  const approved = chosen(wait, word, { yes: "approve", no: "reject" });
  const wide = rest.toLowerCase();
  const isWide = isTool || wait.subject.kind === "egress";
  if (isWide && approved && (wide === "session" || wide === "always" || wide === "ready"))
    return { approved, note: "", grant: wide };
  return { approved, note: rest };
}

function doubt(wait: OpenWait, { word, rest, typed }: Typed): JsonValue {
  switch (word) {
    case "happened":
      return rest === ""
        ? { choice: "happened" }
        : { choice: "happened", result: parsed(wait, typed, rest) };
    case "again":
      return { choice: "runAgain" };
    case "skip":
    case "stop":
      return { choice: word };
    default:
      throw misunderstood(wait, typed);
  }
}

function parsed(wait: OpenWait, typed: string, json: string): JsonValue {
  const result = z.string().transform(toJson).pipe(jsonValue).safeParse(json);
  if (result.success) return result.data;
  throw misunderstood(wait, typed);
}

function toJson(typed: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(typed);
  } catch {
    context.addIssue({ code: "custom", message: "not JSON" });
    return z.NEVER;
  }
}

/** Yes or no, by these words or by those that everybody uses. A gate has no no. */
function chosen(
  wait: OpenWait,
  word: string,
  words: { readonly yes: string; readonly no: string | null },
): boolean {
  if ([words.yes, "yes", "y"].includes(word)) return true;
  if (words.no !== null && [words.no, "no", "n"].includes(word)) return false;
  throw misunderstood(wait, word);
}

function misunderstood(wait: OpenWait, typed: string): CairnError {
  return new CairnError(
    "wait.invalidAnswer",
    `"${typed}" is no answer to ${wait.wait}. ${answerForms(wait)}`,
  );
}

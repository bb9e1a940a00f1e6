import * as z from "zod";
import {
  decision,
  jsonValue,
  type Decision,
  type Identity,
  type JsonValue,
  type WaitKind,
} from "./records.ts";
import type { BudgetName, WaitSubject } from "./waitSubject.ts";

/** What a flow asks, and what it takes for an answer. */
export interface WaitSpec<Value extends JsonValue> {
  readonly kind: WaitKind;
  readonly question: string;
  readonly subject: WaitSubject;
  readonly answer: z.ZodType<Value>;
  /** How long it stays open; then it ends as expired. Without one it stays open for ever. */
  readonly deadlineMs?: number;
  /** True when the subject shows figures that differ from run to run: then only the id says that it is the same wait. */
  readonly changing?: boolean;
  /** Whether a recorded subject of another session asks the same; when left out, the digest says. */
  readonly sameAs?: (subject: WaitSubject) => boolean;
}

/** How a wait ended. `aborted`: somebody took the question back. `expired`: its time was over. */
export type WaitAnswer<Value extends JsonValue> =
  | { readonly ended: null; readonly value: Value; readonly by: Identity }
  | { readonly ended: "aborted" | "expired"; readonly by: Identity };

export interface WaitOptions {
  readonly deadlineMs?: number;
  /** Shown beside the question. */
  readonly about?: JsonValue;
}

const open = z.literal(true);
const either = z.boolean();
const words = z.string().trim().min(1);

function form(schema: JsonValue, { about = null }: WaitOptions): WaitSubject {
  return { kind: "form", about, schema };
}

function timed({ deadlineMs }: WaitOptions): { readonly deadlineMs?: number } {
  return deadlineMs === undefined ? {} : { deadlineMs };
}

/** Stays shut until somebody opens it. The one answer is `true`; to refuse is to abort. */
export function gate(question: string, options: WaitOptions = {}): WaitSpec<true> {
  const subject = form(null, options);
  return { kind: "gate", question, subject, answer: open, ...timed(options) };
}

/** Yes or no. */
export function yesOrNo(question: string, options: WaitOptions = {}): WaitSpec<boolean> {
  const subject = form(null, options);
  return { kind: "boolean", question, subject, answer: either, ...timed(options) };
}

/** Free text, or one of some proposed texts. */
export function text(
  question: string,
  options: WaitOptions & { readonly choices?: readonly string[] } = {},
): WaitSpec<string> {
  return {
    kind: "text",
    question,
    subject: { kind: "question", question, choices: [...(options.choices ?? [])] },
    answer: words,
    ...timed(options),
  };
}

/** A value that fits a schema. The operator sees the schema; an answer that does not fit leaves the wait open. */
export function structured<Value extends JsonValue>(
  question: string,
  answer: z.ZodType<Value>,
  options: WaitOptions = {},
): WaitSpec<Value> {
  const schema = jsonValue.parse(z.toJSONSchema(answer, { target: "draft-7", io: "input" }));
  return { kind: "schema", question, subject: form(schema, options), answer, ...timed(options) };
}

/** A decision on exactly what the subject shows. */
export function approval(
  question: string,
  subject: WaitSubject,
  options: WaitOptions = {},
): WaitSpec<Decision> {
  return { kind: "approval", question, subject, answer: decision, ...timed(options) };
}

/** A limit was reached. A yes adds to it. */
export function budget(
  question: string,
  figures: {
    readonly budget: BudgetName;
    readonly limit: number;
    readonly used: number;
    readonly add: number;
    readonly next: string;
  },
): WaitSpec<Decision> {
  const subject = { kind: "budget" as const, ...figures };
  return { kind: "budget", question, subject, answer: decision, changing: true };
}

import * as z from "zod";
import { canonical } from "./canonical.ts";
import { CairnError } from "./errors.ts";
import { inDoubtAnswer } from "./inDoubt.ts";
import { decision, type Identity, type JsonValue } from "./records.ts";
import type { OpenWait, SessionView } from "./replay.ts";
import { timeLeft, type Clock } from "./timeLeft.ts";
import { utcTime } from "./utcTime.ts";

export interface Answer {
  readonly wait: string;
  /** The digest of what was shown; null where the surface showed the newest record itself. */
  readonly digest: string | null;
  readonly by: Identity;
  /** The value, or how the wait ends without one. */
  readonly value: JsonValue;
  readonly ended?: "aborted" | "expired";
}

/** The open wait that an answer is for. Throws `wait.unknown`, `wait.answered`, `wait.invalidAnswer`. */
export function openWait({ openWaits, answered }: SessionView, answer: Answer): OpenWait {
  const wait = openWaits.find((open) => open.wait === answer.wait);
  if (wait === undefined) {
    const before = answered.find((given) => given.wait === answer.wait);
    if (before !== undefined) {
      throw new CairnError(
        "wait.answered",
        `This was already answered by ${before.by.user} (${before.by.surface}) at ${utcTime(before.at)}, and the first answer counts: ${answer.wait}.`,
        { details: { user: before.by.user, surface: before.by.surface, at: before.at } },
      );
    }
    const names = openWaits.map((open) => open.wait).join(", ") || "none";
    throw new CairnError("wait.unknown", `There is no open wait ${answer.wait}. Open: ${names}.`);
  }
  if (answer.digest !== null && answer.digest !== wait.digest) {
    throw new CairnError(
      "wait.invalidAnswer",
      `What was shown for ${wait.wait} is not what it asks now. Look again and answer that.`,
    );
  }
  return wait;
}

/** The answer, or that there was none in time: an answer after the deadline does not count. */
export function inTime(wait: OpenWait, answer: Answer, world: Clock): Answer {
  const late = (timeLeft(wait, world) ?? 1) <= 0;
  if (!late || answer.ended !== undefined) return answer;
  return { ...answer, value: null, ended: "expired", by: { user: "nobody", surface: "deadline" } };
}

/** What goes on record. Throws `wait.invalidAnswer`, and the wait stays open. */
export function checkedAnswer(
  wait: OpenWait,
  { value, ended }: Answer,
): { readonly answer: JsonValue; readonly ended?: "aborted" | "expired" } {
  if (ended !== undefined) return { answer: null, ended };
  const parsed = answerSchema(wait).safeParse(value);
  if (parsed.success) return { answer: parsed.data };
  throw new CairnError(
    "wait.invalidAnswer",
    `That is no answer to ${wait.wait}: ${z.prettifyError(parsed.error)}. It stays open.`,
  );
}

/** What was answered, as the audit log has it: a decision in a word, anything else as it is. */
export function answerInWords({ value, ended }: Pick<Answer, "value" | "ended">): string {
  if (ended !== undefined) return ended;
  const decided = decision.safeParse(value).data;
  if (decided === undefined) return typeof value === "string" ? value : canonical(value);
  const { approved, note, grant, args } = decided;
  return [
    approved ? "approved" : "rejected",
    ...(grant === undefined ? [] : [grant]),
    ...(args === undefined ? [] : [`with ${canonical(args)}`]),
    ...(note === "" ? [] : [`because: ${note}`]),
  ].join(", ");
}

const open = z.literal(true);
const either = z.boolean();
const words = z.string().trim().min(1);

function answerSchema(wait: OpenWait): z.ZodType<JsonValue> {
  switch (wait.waitKind) {
    case "approval":
    case "budget":
      return decision;
    case "gate":
      return open;
    case "boolean":
      return either;
    case "text":
      return words;
    case "inDoubt":
      return inDoubtAnswer;
    case "schema":
      return formSchema(wait);
  }
}

/** The schema as it is on record: what the operator saw is what the answer is checked with. */
function formSchema({ subject }: OpenWait): z.ZodType<JsonValue> {
  const schema = subject.kind === "form" ? jsonSchema.safeParse(subject.schema).data : undefined;
  return (schema === undefined ? z.json() : z.fromJSONSchema(schema)).pipe(z.json());
}

const jsonSchema = z.record(z.string(), z.json());

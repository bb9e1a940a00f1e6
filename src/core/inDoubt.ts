import * as z from "zod";
import { jsonValue, type JsonValue, type ToolOutput } from "./records.ts";
import type { WaitSubject } from "./waitSubject.ts";
import type { Failed, Started } from "./flowMemory.ts";

/** The four answers to an effect that may have happened. */
export const inDoubtAnswer = z.discriminatedUnion("choice", [
  /** It did: with the result entered, or with the one that was read off when it is left out. */
  z.object({ choice: z.literal("happened"), result: z.exactOptional(jsonValue) }),
  z.object({ choice: z.literal("runAgain") }),
  /** It is left as it may be, and the flow goes on without a result of it. */
  z.object({ choice: z.literal("skip") }),
  /** The session stops here; a retry asks again. */
  z.object({ choice: z.literal("stop") }),
]);
export type InDoubtAnswer = z.infer<typeof inDoubtAnswer>;

/** What can be seen of an outcome from outside. */
export interface Observed {
  /** In words, for the operator. */
  readonly text: string;
  /** What it looks like; left out when nothing can be told. */
  readonly seen?: "happened" | "partly" | "absent";
  /** The result that the effect would have had, when it can be told. */
  readonly result?: JsonValue;
}

export interface Doubt {
  readonly what: string;
  readonly start: Started;
  readonly failed: Failed | undefined;
  readonly observed: Observed | null;
}

/** What a command that was not repeated gives back. */
export const notRepeated: ToolOutput = {
  text: "It may have happened; the operator chose not to repeat it.",
  ok: false,
};

const takenBack = "What it changed in the session's files is taken back.";

export function doubtQuestion(what: string): string {
  return `This was started and may have happened: ${what}. Did it?`;
}

/** The evidence: what was sent, when, how far it is known to have come, and what can be seen now. */
export function doubtSubject({ what, start, failed, observed }: Doubt): WaitSubject {
  const seen = [
    start.leaves === undefined
      ? []
      : [`Before it stopped it sent ${start.leaves}, and perhaps more. ${takenBack}`],
    failed === undefined ? [] : [`It ended with an error: ${failed.failure.message}`],
    observed === null ? [] : [observed.text],
  ].flat();
  return {
    kind: "inDoubt",
    what,
    startedAt: start.at,
    operation: start.operation,
    ...(start.sent === undefined ? {} : { sent: start.sent }),
    observed: seen.length === 0 ? null : seen.join("\n"),
    ...(observed?.seen === undefined ? {} : { seen: observed.seen }),
    ...(observed?.result === undefined ? {} : { result: observed.result }),
  };
}

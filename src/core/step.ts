import type * as z from "zod";
import { CairnError } from "./errors.ts";
import type { Observed } from "./inDoubt.ts";
import type { JsonValue, StepKind } from "./records.ts";
import type { CacheMode } from "./profileRecord.ts";
import type { Effect } from "./tool.ts";

export interface Retries {
  /** How often it is tried again after the first time. */
  readonly times: number;
  /** The first pause; each later one is twice as long, up to half a minute. Half a second when left out. */
  readonly backoffMs?: number;
  /** Which errors are worth another try. When left out, all; for an external effect only those that say `retryable`. */
  readonly when?: (error: unknown) => boolean;
}

export interface StepSpec<Output extends JsonValue> {
  /** What the work gives back. A recorded output is checked with it before it is served. */
  readonly output: z.ZodType<Output>;
  /** `step` when left out. */
  readonly kind?: StepKind;
  /** What steps of this sort are called: selectors and overrides take it. The step's name when left out. */
  readonly label?: string;
  /** What the work is given. Part of the key, and what an `input` override replaces. */
  readonly args?: JsonValue;
  /** Every other input that matters, as digests or short values. */
  readonly inputs?: Readonly<Record<string, string>>;
  /**
   * `none` (when left out): safe to repeat; a crash midway runs it again. `workspace`: undone by
   * restoring the tree before it. `external`: never repeated without a question.
   */
  readonly effect?: Effect;
  /** What will happen, in one line: what the operator reads when nobody knows whether it did. */
  readonly what?: string;
  /** What was sent, as evidence; the arguments when left out. */
  readonly sent?: JsonValue;
  /** The output when the operator skips an effect that may have happened. Without one, skip is refused. */
  readonly skipped?: Output;
  /** The output when a replay has no record of an external effect and says to go on with an error. */
  readonly missing?: Output;
  /** Looks, without changing anything, whether an effect happened. */
  readonly observe?: (operation: string) => Promise<Observed | null>;
  /** False: no checkpoint; it runs again whenever the flow does. Only for work without effect. */
  readonly checkpoint?: boolean;
  /** True when an override changed what goes into it: then it runs, whatever is on record. */
  readonly edited?: boolean;
  readonly cache?: CacheMode;
  readonly retries?: Retries;
}

/** What a step's work is handed. */
export interface StepRun {
  readonly args: JsonValue;
  /** Idempotency key of an effect: the same after a crash, another one in a fork. Empty without an effect. */
  readonly operation: string;
  /** Counts from one. */
  readonly attempt: number;
  readonly signal: AbortSignal;
  /**
   * To be awaited before an effect on the workspace does what restoring the tree does not take
   * back. Resolves when that is on record: without an outcome the operator is asked about it then.
   */
  readonly leaves: (what: string) => Promise<void>;
}

export type Work<Output> = (run: StepRun) => Promise<Output>;

/** Throws `flow.invalid` with what to write instead. */
export function checkStep(name: string, spec: StepSpec<JsonValue>): void {
  const { retries, checkpoint, effect = "none" } = spec;
  if (retries !== undefined && (!Number.isInteger(retries.times) || retries.times < 0)) {
    throw new CairnError(
      "flow.invalid",
      `${name} asks for ${retries.times} retries. Use 0 or a whole number above it.`,
    );
  }
  if (checkpoint === false && effect !== "none") {
    throw new CairnError(
      "flow.invalid",
      `${name} has an effect, and an effect is always a checkpoint. Leave out checkpoint: false.`,
    );
  }
}

/** Whether an error says that the same call may succeed, and be made, again. */
export function isRetryable(error: unknown): boolean {
  return CairnError.is(error) && error.retryable;
}

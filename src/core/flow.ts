import type * as z from "zod";
import { canonical } from "./canonical.ts";
import { CairnError } from "./errors.ts";
import type { World } from "./ports.ts";
import {
  decision,
  type Failure,
  type JsonValue,
  type RecordBody,
  type SessionRecord,
  type StepKind,
  type WaitKind,
  type WaitSubject,
} from "./records.ts";

/** Thrown to park the session at an unanswered wait. Not an error; only the session catches it. */
export class Parked extends Error {
  override readonly name = "Parked";
  readonly wait: string;

  constructor(wait: string) {
    super(`parked at ${wait}`);
    this.wait = wait;
  }
}

export interface StepSpec<Output extends JsonValue> {
  readonly kind: StepKind;
  readonly name: string;
  /** Every input that matters, as digests or short values: together they are the step's key. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly output: z.ZodType<Output>;
  /** How often the work is tried when it throws a retryable error. One when left out. */
  readonly attempts?: number;
}

export interface ActSpec<Output extends JsonValue> extends StepSpec<Output> {
  readonly effect: "workspace" | "external";
  /** What will happen, in one line: the evidence when nobody knows whether it did. */
  readonly what: string;
  /** The output when the operator says not to repeat an act that may have happened. */
  readonly skipped: Output;
}

export interface WaitSpec {
  readonly kind: WaitKind;
  readonly question: string;
  readonly subject: WaitSubject;
}

export interface FlowParts {
  readonly session: string;
  readonly world: World;
  readonly signal: AbortSignal;
  readonly append: (body: RecordBody) => Promise<void>;
  /** This session's records so far. */
  readonly history: readonly SessionRecord[];
  /** On a replay: the records of the source session, which are served; a miss is an error. */
  readonly recording: readonly SessionRecord[] | null;
}

type Completed = Extract<SessionRecord, { kind: "step.completed" }>;
type Started = Extract<SessionRecord, { kind: "step.started" }>;
type Opened = Extract<SessionRecord, { kind: "wait.opened" }>;
type Answered = Extract<SessionRecord, { kind: "wait.answered" }>;

/** What is already known, by id. */
class Memory {
  readonly completed = new Map<string, Completed>();
  readonly starts = new Map<string, Started[]>();
  readonly opened = new Map<string, Opened>();
  readonly answered = new Map<string, Answered>();

  constructor(records: readonly SessionRecord[]) {
    for (const record of records) this.#remember(record);
  }

  #remember(record: SessionRecord): void {
    switch (record.kind) {
      case "step.completed":
        this.completed.set(record.step, record);
        break;
      case "step.started":
        this.starts.set(record.step, [...(this.starts.get(record.step) ?? []), record]);
        break;
      case "wait.opened":
        this.opened.set(record.wait, record);
        break;
      case "wait.answered":
        this.answered.set(record.wait, record);
        break;
      case "step.failed":
      case "session.started":
      case "session.resumed":
      case "session.ended":
        break;
    }
  }
}

/**
 * Runs a flow function from the top as often as needed: what is recorded is returned, what is not
 * is done and recorded. Ids are paths that read in a log; an id used again in one run gets `#2`.
 */
export class Flow {
  readonly #parts: FlowParts;
  readonly #known: Memory;
  readonly #recording: Memory | null;
  readonly #used = new Map<string, number>();

  constructor(parts: FlowParts) {
    this.#parts = parts;
    this.#known = new Memory(parts.history);
    this.#recording = parts.recording === null ? null : new Memory(parts.recording);
  }

  /**
   * For work that is safe to repeat, such as a model call: a crash midway runs it again.
   * Resolves with the output when it is on disk. Throws `flow.diverged` when the id was recorded
   * with other inputs, `replay.miss` when a replay has no record of it, else what the work throws.
   */
  async step<Output extends JsonValue>(
    name: string,
    spec: StepSpec<Output>,
    work: () => Promise<Output>,
  ): Promise<Output> {
    const id = this.#unique(name);
    const key = this.#key(spec);
    const recorded = await this.#recorded(id, key, spec);
    if (recorded !== undefined) return recorded.output;
    return this.#run(id, key, spec, work);
  }

  /**
   * For work that changes the world. The intent is on disk before the work starts. When an intent
   * has no outcome, a workspace effect runs again (its tree was restored), and an external effect
   * opens a wait: it is never repeated silently.
   */
  async act<Output extends JsonValue>(
    name: string,
    spec: ActSpec<Output>,
    work: (operation: string) => Promise<Output>,
  ): Promise<Output> {
    const id = this.#unique(name);
    const key = this.#key(spec);
    const recorded = await this.#recorded(id, key, spec);
    if (recorded !== undefined) return recorded.output;

    const starts = this.#known.starts.get(id) ?? [];
    const last = starts.at(-1);
    if (last !== undefined) this.#sameKey(id, last, key, spec);
    const operation = this.#parts.world.digest(`${this.#parts.session}\n${id}\n${key}`);
    if (last !== undefined && spec.effect === "external") {
      const again = await this.wait(`${id}/inDoubt/${starts.length}`, decision, async () => ({
        kind: "inDoubt",
        question: `This was started and may have happened: ${spec.what}. Run it again?`,
        subject: { kind: "inDoubt", what: spec.what, startedAt: last.at, operation },
      }));
      if (!again.approved) return this.#run(id, key, spec, async () => spec.skipped);
    }
    this.#parts.signal.throwIfAborted();
    await this.#append({
      kind: "step.started",
      ...head(id, key, spec),
      what: spec.what,
      effect: spec.effect,
      operation,
    });
    return this.#run(id, key, spec, async () => work(operation));
  }

  /**
   * Returns the recorded answer, or opens the wait and parks. `open` is called only when the wait
   * is not on record yet, so what was shown to the operator never changes under an answer.
   */
  async wait<Answer extends JsonValue>(
    name: string,
    schema: z.ZodType<Answer>,
    open: () => Promise<WaitSpec>,
  ): Promise<Answer> {
    const id = this.#unique(name);
    const answer = this.#known.answered.get(id);
    if (answer !== undefined) return schema.parse(answer.answer);
    if (!this.#known.opened.has(id)) {
      const served = await this.#servedAnswer(id);
      if (served !== undefined) return schema.parse(served);
      const spec = await open();
      await this.#append({
        kind: "wait.opened",
        wait: id,
        waitKind: spec.kind,
        question: spec.question,
        subject: spec.subject,
        digest: waitDigest(this.#parts.world, spec),
      });
    }
    throw new Parked(id);
  }

  /** A replay answers from its source, and says so. */
  async #servedAnswer(id: string): Promise<JsonValue | undefined> {
    const opened = this.#recording?.opened.get(id);
    const answered = this.#recording?.answered.get(id);
    if (opened === undefined || answered === undefined) return undefined;
    const { waitKind, question, subject, digest } = opened;
    await this.#append({ kind: "wait.opened", wait: id, waitKind, question, subject, digest });
    await this.#append({
      kind: "wait.answered",
      wait: id,
      answer: answered.answer,
      digest,
      by: { user: answered.by.user, surface: "replay" },
    });
    return answered.answer;
  }

  async #recorded<Output extends JsonValue>(
    id: string,
    key: string,
    spec: StepSpec<Output>,
  ): Promise<{ readonly output: Output } | undefined> {
    const own = this.#known.completed.get(id);
    if (own !== undefined) {
      this.#sameKey(id, own, key, spec);
      return { output: spec.output.parse(own.output) };
    }
    if (this.#recording === null) return undefined;
    const served = this.#recording.completed.get(id);
    if (served === undefined) {
      throw new CairnError(
        "replay.miss",
        `The recording has no result for ${id}: it ends before this step. Nothing was run instead.`,
        { details: { step: id } },
      );
    }
    this.#sameKey(id, served, key, spec);
    await this.#append({
      kind: "step.completed",
      ...head(id, key, spec),
      output: served.output,
      durationMs: served.durationMs,
      via: "replay",
    });
    return { output: spec.output.parse(served.output) };
  }

  async #run<Output extends JsonValue>(
    id: string,
    key: string,
    spec: StepSpec<Output>,
    work: () => Promise<Output>,
  ): Promise<Output> {
    const { world, signal } = this.#parts;
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted();
      const began = world.now();
      const outcome = await settle(work);
      if (outcome.ok) {
        await this.#append({
          kind: "step.completed",
          ...head(id, key, spec),
          output: outcome.value,
          durationMs: world.now() - began,
          via: "run",
        });
        return outcome.value;
      }
      const { error } = outcome;
      if (signal.aborted) throw error;
      const willRetry = attempt < (spec.attempts ?? 1) && CairnError.is(error) && error.retryable;
      await this.#append({
        kind: "step.failed",
        ...head(id, key, spec),
        attempt,
        failure: failureOf(error),
        willRetry,
      });
      if (!willRetry) throw error;
      await world.sleep(backoffMs(error, attempt), signal);
    }
  }

  #sameKey(
    id: string,
    recorded: { readonly key: string; readonly inputs: Readonly<Record<string, string>> },
    key: string,
    spec: StepSpec<JsonValue>,
  ): void {
    if (recorded.key === key) return;
    const names = new Set([...Object.keys(recorded.inputs), ...Object.keys(spec.inputs)]);
    const changed = [...names].filter((name) => recorded.inputs[name] !== spec.inputs[name]);
    throw new CairnError(
      "flow.diverged",
      `${id} was recorded with other inputs (${changed.join(", ") || "its kind or name"}). It stopped before any effect; start a new session, or go back to what it was recorded with.`,
      { details: { step: id, recorded: recorded.key, now: key, changed: changed.join(",") } },
    );
  }

  #key(spec: StepSpec<JsonValue>): string {
    return this.#parts.world.digest(canonical([spec.kind, spec.name, { ...spec.inputs }]));
  }

  #unique(name: string): string {
    const times = (this.#used.get(name) ?? 0) + 1;
    this.#used.set(name, times);
    return times === 1 ? name : `${name}#${times}`;
  }

  async #append(body: BodyWithoutTime): Promise<void> {
    await this.#parts.append({ ...body, at: this.#parts.world.now() });
  }
}

type WithoutTime<Body> = Body extends unknown ? Omit<Body, "at"> : never;
type BodyWithoutTime = WithoutTime<RecordBody>;

/** The digest that an answer is bound to: over exactly what is shown. */
export function waitDigest(world: World, spec: WaitSpec): string {
  return world.digest(canonical([spec.kind, spec.question, spec.subject]));
}

function head(step: string, key: string, spec: StepSpec<JsonValue>) {
  return { step, key, stepKind: spec.kind, name: spec.name, inputs: { ...spec.inputs } };
}

/** Tells a failure of the work from a failure to record it: only the first is the step's own. */
async function settle<Output>(
  work: () => Promise<Output>,
): Promise<
  { readonly ok: true; readonly value: Output } | { readonly ok: false; readonly error: unknown }
> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    return { ok: false, error };
  }
}

/** Doubling from half a second, or what the other side asked for; never over half a minute. */
function backoffMs(error: unknown, attempt: number): number {
  const asked = CairnError.is(error) ? error.details["retryAfterMs"] : undefined;
  const wanted = typeof asked === "number" ? asked : 500 * 2 ** (attempt - 1);
  return Math.min(Math.max(wanted, 0), 30_000);
}

/** How an error is kept on record: its code and its sentence, never a stack. */
export function failureOf(error: unknown): Failure {
  if (!CairnError.is(error)) {
    const message = error instanceof Error ? error.message : String(error);
    return { code: "unexpected", message, origin: "runtime" };
  }
  const { code, message } = error;
  if (code === "flow.diverged" || code === "replay.miss")
    return { code, message, origin: "divergence" };
  const backend = /^(model|sandbox|store|skills)\./.test(code);
  return { code, message, origin: backend ? "backend" : "user" };
}

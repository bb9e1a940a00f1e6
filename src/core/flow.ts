import * as z from "zod";
import { findArtifact, type Outcome } from "./artifacts.ts";
import { canonical } from "./canonical.ts";
import { overridden } from "./derivation.ts";
import { CairnError } from "./errors.ts";
import { settle } from "./failure.ts";
import type { FlowRun, PlannedStep } from "./flowRun.ts";
import { FlowScope } from "./flowScope.ts";
import type { Spot } from "./spot.ts";
import type { Message } from "./ports.ts";
import { RecordedStep } from "./recordedStep.ts";
import { ask, Parked } from "./recordedWait.ts";
import { jsonValue, modelReply, type JsonValue, type ModelReply } from "./records.ts";
import type { WaitSubject } from "./waitSubject.ts";
import type { CacheMode } from "./profileRecord.ts";
import { checkStep, isRetryable, type StepSpec, type Work } from "./step.ts";
import type { WaitAnswer, WaitSpec } from "./waits.ts";

/**
 * What a flow function is written with. The function is run from its top as often as needed; what
 * is on record is returned, what is not is done and recorded. So between steps it must be
 * deterministic: the clock, chance and the outside world only inside a step.
 *
 * Ids are paths that read in a log; a name that is used again gets `#2`, `#3`. Every method throws
 * `flow.outside` after the flow's end and `flow.nested` inside a step; `store.*` and `session.lost`
 * when nothing can be recorded: then nothing false is, and the session goes on later.
 */
export class Flow {
  readonly #run: FlowRun;
  readonly #scope: FlowScope;
  readonly #outcomes: Map<string, Outcome>;

  constructor(
    run: FlowRun,
    scope: FlowScope = new FlowScope(),
    outcomes = new Map<string, Outcome>(),
  ) {
    this.#run = run;
    this.#scope = scope;
    this.#outcomes = outcomes;
  }

  /**
   * Does work once and remembers its output; resolves when that is on disk. Throws what the work
   * throws, after every attempt is on record; `flow.diverged` when the step was recorded with
   * other inputs; `replay.miss`; `flow.stopped` when the operator stops at an effect in doubt.
   */
  async step<Output extends JsonValue>(
    name: string,
    spec: StepSpec<Output>,
    work: Work<Output>,
  ): Promise<Output> {
    return this.#scope.only(name, async () => {
      checkStep(name, spec);
      const id = this.#scope.unique(name);
      const override = overridden(this.#run.derivation, { id, name: spec.label ?? name }, "input");
      const given = override === undefined ? spec : { ...spec, args: override.value, edited: true };
      const step = this.#planned(id, name, given);
      const output = await new RecordedStep(
        { run: this.#run, scope: this.#scope },
        step,
        given,
      ).outcome(work);
      this.#outcomes.set(id, { kind: step.kind, name: step.name, output });
      return output;
    });
  }

  /**
   * Asks, and resolves with how the wait ended. Parks the session while it is open: nothing stays
   * running for an answer to come. Throws `flow.diverged` when another question was recorded here.
   */
  async wait<Value extends JsonValue>(
    name: string,
    spec: WaitSpec<Value>,
  ): Promise<WaitAnswer<Value>> {
    return this.#scope.only(name, async () =>
      ask({ run: this.#run, scope: this.#scope, id: this.#scope.unique(name) }, spec),
    );
  }

  /**
   * Branches side by side, each with a flow of its own and steps of its own names. Resolves with
   * their results in order when all have ended; parks when one of them waits; throws the first
   * error in the order of the branches, after all have ended.
   */
  async parallel<Result>(
    branches: readonly ((flow: Flow) => Promise<Result>)[],
  ): Promise<Result[]> {
    if (branches.length === 0) return [];
    return this.#scope.only("parallel", async () => {
      const { rehearsal } = this.#run;
      rehearsal.forked(branches.length);
      let running = branches.length;
      const scopes = branches.map(() => new FlowScope(this.#scope));
      const settled = await Promise.all(
        branches.map(async (branch, index) => {
          const scope = scopes[index] ?? new FlowScope(this.#scope);
          const outcome = await settle(async () =>
            branch(new Flow(this.#run, scope, this.#outcomes)),
          );
          scope.end();
          running -= 1;
          // The last one's place is this line's again, which goes on without a gap.
          if (running > 0) rehearsal.ended();
          return outcome;
        }),
      );
      this.#scope.join(scopes);
      return together(settled);
    });
  }

  /**
   * Groups steps: `work` names them `${name}/...`. With the strategy `turn` the group is one
   * checkpoint to people; the steps inside are recorded all the same, so none is repeated.
   */
  async turn<Output extends JsonValue>(
    name: string,
    output: z.ZodType<Output>,
    work: () => Promise<Output>,
  ): Promise<Output> {
    const result = await work();
    if (this.#run.parts.strategy !== "turn") return result;
    const inputs = { output: this.#run.digest(result) };
    return this.step(name, { kind: "turn", output, inputs }, async () => result);
  }

  /** Keeps a value under a name, for `load` and for people. */
  async save(name: string, value: JsonValue): Promise<void> {
    const spec = { kind: "artifact" as const, label: name, args: value, output: jsonValue };
    await this.step(`artifact/${name}`, spec, async ({ args }) => args);
  }

  /**
   * A value that was saved, or the output of a checkpoint, that this run has come by. Takes the
   * name of either, or an id. Throws `artifact.missing`, `artifact.ambiguous`, with the choices.
   */
  load<Value extends JsonValue>(name: string, value: z.ZodType<Value>): Value {
    return value.parse(findArtifact(this.#outcomes, name));
  }

  /** Adds to the session's facts: objects are merged, of anything else the last one stays. */
  async log(facts: Readonly<Record<string, JsonValue>>): Promise<void> {
    const spec = { kind: "log" as const, args: { ...facts }, output: jsonValue };
    await this.step("log", spec, async ({ args }) => args);
  }

  /** Asks the session's model, without tools. Throws `model.*` after three attempts. */
  async llm(
    prompt: string | readonly Message[],
    options: { readonly name?: string; readonly model?: string; readonly cache?: CacheMode } = {},
  ): Promise<string> {
    const { model, signal } = this.#run.parts;
    const { name = "llm" } = options;
    if (model === undefined) {
      throw new CairnError("flow.invalid", `${name} needs a model, and this flow was run without.`);
    }
    const messages: readonly Message[] =
      typeof prompt === "string" ? [{ role: "user", text: prompt }] : prompt;
    const reply = await this.modelCall(name, {
      model: options.model ?? model.name,
      inputs: { messages: this.#run.parts.world.digest(JSON.stringify(messages)) },
      ...(options.cache === undefined ? {} : { cache: options.cache }),
      call: async (asked) => model.model.reply({ model: asked, messages, tools: [] }, signal),
    });
    return reply.text;
  }

  /** One request to a model as a step: what a `model` override replaces is the name that is asked. */
  async modelCall(
    name: string,
    request: {
      readonly model: string;
      readonly inputs: Readonly<Record<string, string>>;
      readonly cache?: CacheMode;
      readonly call: (model: string) => Promise<ModelReply>;
    },
  ): Promise<ModelReply> {
    const target = { id: this.#scope.peek(name), name: request.model };
    const override = overridden(this.#run.derivation, target, "model");
    const model = override === undefined ? request.model : z.string().parse(override.value);
    const spec: StepSpec<ModelReply> = {
      kind: "model",
      label: model,
      inputs: { ...request.inputs, name: model },
      output: modelReply,
      retries: { times: 2, when: isRetryable },
      edited: override !== undefined,
      ...(request.cache === undefined ? {} : { cache: request.cache }),
    };
    return this.step(name, spec, async () => request.call(model));
  }

  /** Milliseconds since the epoch, the same in every run. */
  async now(): Promise<number> {
    const spec = { kind: "value" as const, output: milliseconds };
    return this.step("now", spec, async () => this.#run.parts.world.now());
  }

  /** A UUID (version 8, RFC 9562) that is the same in every run and another one in a fork. */
  async uuid(): Promise<string> {
    const { session, world } = this.#run.parts;
    const id = this.#scope.peek("uuid");
    const spec = { kind: "value" as const, output: uuid };
    return this.step("uuid", spec, async () => uuidOf(world.digest(`${session}\n${id}`)));
  }

  /** The id that the next step of this name will have. */
  nextId(name: string): string {
    return this.#scope.peek(name);
  }

  /** What a step will be given: the override's input, or what the flow has for it. */
  inputFor(target: { readonly id: string; readonly name: string }, args: JsonValue): JsonValue {
    return overridden(this.#run.derivation, target, "input")?.value ?? args;
  }

  /** True when a step has an outcome on this session's record. */
  isRecorded(id: string): boolean {
    return this.#run.known.completed.has(id);
  }

  /** True when a step was begun or done on this session's record. */
  isBegun(id: string): boolean {
    return this.#run.known.starts.has(id) || this.isRecorded(id);
  }

  /** True for a session that was made from another one. */
  get isDerived(): boolean {
    return this.#run.derivation !== null;
  }

  /** The inputs that a step's outcome has on this session's record; null when there is none. */
  recordedInputs(id: string): Readonly<Record<string, string>> | null {
    return this.#run.known.completed.get(id)?.inputs ?? null;
  }

  /** What a wait shows on this session's record; null when it was not opened in an earlier run. */
  openedSubject(id: string): WaitSubject | null {
    return this.#run.known.opened.get(id)?.subject ?? null;
  }

  /** What a wait asks on this session's record; null when it was not opened in an earlier run. */
  openedQuestion(id: string): string | null {
    return this.#run.known.opened.get(id)?.question ?? null;
  }

  /** True when the session that this one was made from opened the wait. */
  wasOpened(id: string): boolean {
    return this.#run.source?.opened.has(id) ?? false;
  }

  /** What the next step of this name would do: be served, do its work, or stop the flow. Records nothing. */
  async foresee(name: string, spec: StepSpec<JsonValue>): Promise<"serves" | "runs" | "stops"> {
    const step = this.#planned(this.#scope.peek(name), name, spec);
    return this.#run.foresee(step, this.#scope);
  }

  /** True when a wait was opened in an earlier run. */
  isOpened(id: string): boolean {
    return this.#run.known.opened.has(id);
  }

  /**
   * Waits until the branch before has left its spot, and stands behind it and all before it from
   * then on. Resolves with false when one of them gave up before it came so far.
   */
  async follow(before: Spot<Flow> | null): Promise<boolean> {
    if (before === null) return true;
    if (!before.isLeft) await this.#until(before);
    for (const left of before.andEarlier()) {
      if (left === null) return false;
      this.#scope.inherit(left.#scope);
    }
    return true;
  }

  /** Nothing of this flow may be called any more. */
  end(): void {
    this.#scope.end();
  }

  async #until(spot: Spot<Flow>): Promise<void> {
    const { rehearsal } = this.#run;
    rehearsal.ended();
    await new Promise<void>((resolve) => {
      spot.whenLeft(() => {
        rehearsal.joined();
        resolve();
      });
    });
  }

  #planned(id: string, name: string, spec: StepSpec<JsonValue>): PlannedStep {
    const { kind = "step", label = name, effect = "none", cache = "session" } = spec;
    const inputs = {
      ...(spec.args === undefined ? {} : { args: this.#run.digest(spec.args) }),
      ...spec.inputs,
    };
    const key = this.#run.parts.world.digest(canonical([kind, label, inputs]));
    const { checkpoint = true, edited = false, missing } = spec;
    return { id, key, kind, name: label, inputs, effect, checkpoint, cache, edited, missing };
  }
}

const milliseconds = z.number();
const uuid = z.uuid();

/** Results in order; a failure goes before a wait. */
function together<Result>(
  settled: readonly Awaited<ReturnType<typeof settle<Result>>>[],
): Result[] {
  const errors = settled.flatMap((outcome) => (outcome.ok ? [] : [outcome.error]));
  for (const error of errors) {
    if (!(error instanceof Parked)) throw error;
  }
  const parked = errors.flatMap((error) => (error instanceof Parked ? error.waits : []));
  if (errors.length > 0) throw new Parked(parked);
  return settled.flatMap((outcome) => (outcome.ok ? [outcome.value] : []));
}

function uuidOf(digest: string): string {
  const hex = `${digest.slice(0, 12)}8${digest.slice(13, 16)}a${digest.slice(17, 32)}`;
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

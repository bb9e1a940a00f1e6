import * as z from "zod";
import { CairnError } from "./errors.ts";
import { backoffMs, failureOf, leavesAsItIs, settle } from "./failure.ts";
import type { FlowRun, Place, PlannedStep, Verdict } from "./flowRun.ts";
import { doubtQuestion, doubtSubject, inDoubtAnswer } from "./inDoubt.ts";
import { ask, Parked } from "./recordedWait.ts";
import type { JsonValue, Lookup, StepKind } from "./records.ts";
import { isRetryable, type StepRun, type StepSpec, type Work } from "./step.ts";

/** One step of a run: found on record, served, or done and recorded. */
export class RecordedStep<Output extends JsonValue> {
  readonly #run: FlowRun;
  readonly #scope: Place;
  readonly #step: PlannedStep;
  readonly #spec: StepSpec<Output>;
  #lookup: Lookup | null = null;

  constructor(
    place: { readonly run: FlowRun; readonly scope: Place },
    step: PlannedStep,
    spec: StepSpec<Output>,
  ) {
    this.#run = place.run;
    this.#scope = place.scope;
    this.#step = step;
    this.#spec = spec;
  }

  /** Resolves with the output when it is on disk. Throws as `Flow.step`. */
  async outcome(work: Work<Output>): Promise<Output> {
    const { rehearsal, derivation } = this.#run;
    const step = this.#step;
    const verdict = await this.#run.decide(step, this.#scope);
    if (step.checkpoint) rehearsal.reached(step.id);
    if (verdict.kind === "found") return this.#spec.output.parse(verdict.output);
    if (step.checkpoint && !this.#scope.redone) await rehearsal.begin(step.id);
    if (verdict.kind === "serve") return this.#serve(verdict);
    if (derivation !== null && step.checkpoint) this.#scope.tainted = true;
    this.#lookup = verdict.lookup;
    return step.effect === "none" ? this.#attempts("", work, stays) : this.#effect(work);
  }

  async #serve(verdict: Extract<Verdict, { kind: "serve" }>): Promise<Output> {
    const { via, durationMs, lookup } = verdict;
    if (via !== "replay") this.#scope.tainted = true;
    this.#lookup = lookup;
    const parsed = this.#spec.output.safeParse(verdict.output);
    if (!parsed.success) {
      throw new CairnError(
        "override.invalid",
        `What was given for ${this.#step.id} is not an output of it: ${z.prettifyError(parsed.error)}`,
        { cause: parsed.error },
      );
    }
    await this.#complete({ output: parsed.data, durationMs, via });
    return parsed.data;
  }

  /** The intent is on disk before the work starts. Found without an outcome, an external effect is asked about. */
  async #effect(work: Work<Output>): Promise<Output> {
    const step = this.#step;
    const { known, parts } = this.#run;
    const starts = known.starts.get(step.id) ?? [];
    const last = starts.at(-1);
    if (last !== undefined && !this.#scope.redone) this.#run.sameKey(last, step);
    const operation = parts.world.digest(`${parts.session}\n${step.id}\n${step.key}`);
    if (last !== undefined && (step.effect === "external" || last.effect === "external")) {
      const settled = await this.#inDoubt(starts.length, operation);
      if (settled !== null) return settled.output;
    }
    parts.signal.throwIfAborted();
    // Before the intent, too: what the log refuses was never begun, so nobody is asked about it.
    await this.#run.audit(this.#audited("began", operation, null));
    await this.#begin(operation, null);
    let left: Promise<void> | null = null;
    // The first says it for all.
    const leaves = async (what: string): Promise<void> => (left ??= this.#begin(operation, what));
    try {
      const output = await this.#attempts(operation, work, leaves);
      this.#ended(operation, outcomeOf(output));
      return output;
    } catch (error) {
      const cutShort = parts.signal.aborted || error instanceof Parked || leavesAsItIs(error);
      if (!cutShort) this.#ended(operation, `failed: ${failureOf(error).code}`);
      throw error;
    }
  }

  async #begin(operation: string, leaves: string | null): Promise<void> {
    const { redactor } = this.#run.parts;
    const step = this.#step;
    const spec = this.#spec;
    const sent = spec.sent ?? spec.args;
    await this.#run.append({
      kind: "step.started",
      ...head(step),
      what: redactor.text(spec.what ?? step.name),
      effect: step.effect === "external" || leaves !== null ? "external" : "workspace",
      operation,
      ...(sent === undefined ? {} : { sent: redactor.value(sent) }),
      ...(leaves === null ? {} : { leaves: redactor.text(leaves) }),
    });
  }

  /** Nothing waits for it: an effect whose end is not in the log was interrupted, and is found to be. */
  #ended(operation: string, outcome: string): void {
    this.#run.audit(this.#audited("ended", operation, outcome)).catch(() => {});
  }

  #audited(
    kind: "began" | "ended",
    operation: string,
    outcome: string | null,
  ): Parameters<FlowRun["audit"]>[0] {
    const { id, key, name } = this.#step;
    const { what = name } = this.#spec;
    const shown = what === name ? name : `${name}: ${what}`;
    return { kind, step: id, operation, digest: key, by: null, what: shown, outcome };
  }

  /** Null when the operator says to run it again. */
  async #inDoubt(times: number, operation: string): Promise<{ readonly output: Output } | null> {
    const step = this.#step;
    const spec = this.#spec;
    const id = `${step.id}/inDoubt/${times}`;
    const { known } = this.#run;
    const start = known.starts.get(step.id)?.at(-1);
    if (start === undefined) throw new Error(`${step.id} is in doubt without an intent`);
    const what = spec.what ?? step.name;
    const asked = known.opened.get(id);
    const fresh = async () => {
      const observed = (await spec.observe?.(operation)) ?? null;
      return doubtSubject({ what, start, failed: known.failed.get(step.id), observed });
    };
    const subject = asked?.subject ?? (await fresh());
    const answer = await ask(
      { run: this.#run, scope: this.#scope, id },
      {
        kind: "inDoubt",
        question: doubtQuestion(what),
        subject,
        answer: inDoubtAnswer,
        changing: true,
      },
    );
    const choice = answer.ended === null ? answer.value : ({ choice: "stop" } as const);
    switch (choice.choice) {
      case "runAgain":
        return null;
      case "stop":
        throw new CairnError(
          "flow.stopped",
          `Stopped at ${step.id}, which may have happened: ${what}. Retry asks again.`,
        );
      case "skip": {
        const output = spec.skipped;
        if (output === undefined) {
          throw new CairnError("flow.stopped", `${step.id} cannot be skipped. Retry asks again.`);
        }
        await this.#complete({ output, durationMs: 0, via: "override" });
        this.#ended(operation, "in doubt, and left as it may be");
        return { output };
      }
      case "happened": {
        const seen = subject.kind === "inDoubt" ? subject.result : undefined;
        const parsed = spec.output.safeParse(choice.result === undefined ? seen : choice.result);
        if (!parsed.success) {
          throw new CairnError(
            "flow.stopped",
            `The result given for ${step.id} is not an output of it: ${z.prettifyError(parsed.error)} Retry asks again.`,
          );
        }
        await this.#complete({ output: parsed.data, durationMs: 0, via: "override" });
        this.#ended(operation, "in doubt, and done by the operator's word");
        return { output: parsed.data };
      }
    }
  }

  async #attempts(
    operation: string,
    work: Work<Output>,
    leaves: StepRun["leaves"],
  ): Promise<Output> {
    const step = this.#step;
    const spec = this.#spec;
    const { world, signal, redactor } = this.#run.parts;
    const { times = 0, backoffMs: first = 500, when } = spec.retries ?? {};
    const worth = when ?? (step.effect === "external" ? isRetryable : () => true);
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted();
      const began = world.now();
      const args = spec.args ?? null;
      const outcome = await settle(async () =>
        this.#plain(await work({ args, operation, attempt, signal, leaves })),
      );
      if (outcome.ok) {
        const durationMs = world.now() - began;
        await this.#complete({ output: outcome.value, durationMs, via: "run" });
        return outcome.value;
      }
      const { error } = outcome;
      if (signal.aborted || error instanceof Parked) throw error;
      const willRetry = attempt <= times && worth(error);
      const failed = failureOf(error);
      const failure = { ...failed, message: redactor.text(failed.message) };
      await this.#run.append({ kind: "step.failed", ...head(step), attempt, failure, willRetry });
      if (!willRetry) throw error;
      await world.sleep(backoffMs(error, attempt, first), signal);
    }
  }

  /** The flow gets what is recorded, so that a replay is equal to the run. */
  #plain(output: Output): Output {
    if (withoutText.has(this.#step.kind)) return output;
    const plain = this.#run.parts.redactor.value(output);
    if (plain === output) return output;
    const parsed = this.#spec.output.safeParse(plain);
    if (parsed.success) return parsed.data;
    throw new CairnError(
      "flow.invalid",
      `${this.#step.id} gives back a secret, and what is left without it is no output of it. Keep secrets out of what a step gives back.`,
      { cause: parsed.error },
    );
  }

  async #complete(outcome: {
    readonly output: Output;
    readonly durationMs: number;
    readonly via: "run" | "replay" | "cache" | "override";
  }): Promise<void> {
    const step = this.#step;
    await this.#run.append({
      kind: "step.completed",
      ...head(step),
      ...outcome,
      ...(this.#lookup === null ? {} : { lookup: this.#lookup }),
      ...(step.cache === "session" ? {} : { cache: step.cache }),
      ...(step.checkpoint ? {} : { checkpoint: false as const }),
    });
  }
}

/** Work without effect does nothing that had to be on record. */
const stays: StepRun["leaves"] = async () => undefined;

const notWell = z.object({ ok: z.literal(false) });
const halted = z.object({ failure: z.object({ code: z.string() }) });

/** What became of an effect, in a word, where its output says so. */
function outcomeOf(output: JsonValue): string {
  const failure = halted.safeParse(output).data?.failure;
  if (failure !== undefined) return `failed: ${failure.code}`;
  return notWell.safeParse(output).success ? "failed" : "done";
}
/** Digests, numbers and paths; the trees themselves take secrets out of what they show. */
const withoutText: ReadonlySet<StepKind> = new Set(["value", "workspace", "apply"]);

function head({ id, key, kind, name, inputs }: PlannedStep) {
  return { step: id, key, stepKind: kind, name, inputs: { ...inputs } };
}

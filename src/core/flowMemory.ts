import * as z from "zod";
import type { SessionRecord } from "./records.ts";

export type Completed = Extract<SessionRecord, { kind: "step.completed" }>;
export type Started = Extract<SessionRecord, { kind: "step.started" }>;
export type Opened = Extract<SessionRecord, { kind: "wait.opened" }>;
export type Answered = Extract<SessionRecord, { kind: "wait.answered" }>;
export type Failed = Extract<SessionRecord, { kind: "step.failed" }>;

const raised = z.object({ approved: z.literal(true) });

/**
 * What counts of a session's records for its next run, by id. A retry starts a new attempt: what
 * was kept with the cache off counts no more.
 */
export class FlowMemory {
  readonly completed = new Map<string, Completed>();
  readonly starts = new Map<string, Started[]>();
  readonly failed = new Map<string, Failed>();
  readonly opened = new Map<string, Opened>();
  readonly answered = new Map<string, Answered>();
  /** Steps whose outcome is of an attempt before the newest. */
  readonly #earlier = new Set<string>();
  /** Steps that a retry does again because their cache is off. */
  readonly redone = new Set<string>();
  /** Outcomes of external effects by what was called with what, in the order they happened. */
  readonly #effects = new Map<string, Completed[]>();

  constructor(records: readonly SessionRecord[]) {
    for (const record of records) this.#remember(record);
  }

  /** Everything that the flow must come by again before it does anything new, in order of record. */
  get reached(): readonly string[] {
    return [
      ...new Set([...this.starts.keys(), ...this.completed.keys(), ...this.opened.keys()]),
    ].toSorted((left, right) => this.#firstSeq(left) - this.#firstSeq(right));
  }

  /** The outcome that the n-th such call had, counted from one. */
  effect(name: string, args: string, nth: number): Completed | undefined {
    return this.#effects.get(callKey(name, args))?.[nth - 1];
  }

  /** True when a step's outcome is of an attempt before the newest. */
  isEarlier(step: string): boolean {
    return this.#earlier.has(step);
  }

  #remember(record: SessionRecord): void {
    switch (record.kind) {
      case "step.completed":
        if (record.checkpoint === false) break;
        this.completed.set(record.step, record);
        this.#earlier.delete(record.step);
        if (this.isExternal(record.step)) this.#addEffect(record);
        break;
      case "step.started":
        this.starts.set(record.step, [...(this.starts.get(record.step) ?? []), record]);
        break;
      case "step.failed":
        this.failed.set(record.step, record);
        break;
      case "wait.opened":
        this.opened.set(record.wait, record);
        this.answered.delete(record.wait);
        break;
      case "wait.answered":
        this.answered.set(record.wait, record);
        break;
      case "session.resumed":
        if (record.reason === "retry") this.#newAttempt();
        break;
      case "session.started":
      case "session.parked":
      case "session.ended":
        break;
    }
  }

  isExternal(step: string): boolean {
    return this.starts.get(step)?.some(({ effect }) => effect === "external") ?? false;
  }

  #addEffect(record: Completed): void {
    const call = callKey(record.name, record.inputs["args"] ?? "");
    this.#effects.set(call, [...(this.#effects.get(call) ?? []), record]);
  }

  #newAttempt(): void {
    for (const [step, { cache }] of this.completed) {
      this.#earlier.add(step);
      if (cache !== "off" || this.isExternal(step)) continue;
      this.redone.add(step);
      this.completed.delete(step);
      this.starts.delete(step);
    }
    for (const wait of this.answered.keys()) {
      if (!this.#asksAgain(wait)) continue;
      this.opened.delete(wait);
      this.answered.delete(wait);
    }
  }

  /** A doubt that was not settled, and a budget that was not raised, are what a retry asks about again. */
  #asksAgain(wait: string): boolean {
    switch (this.opened.get(wait)?.waitKind) {
      case "inDoubt":
        return !this.completed.has(wait.replace(/\/inDoubt\/\d+$/, ""));
      case "budget":
        return !raised.safeParse(this.answered.get(wait)?.answer).success;
      case "approval":
      case "gate":
      case "boolean":
      case "text":
      case "schema":
      case undefined:
        return false;
    }
  }

  #firstSeq(id: string): number {
    const [start] = this.starts.get(id) ?? [];
    return start?.seq ?? this.completed.get(id)?.seq ?? this.opened.get(id)?.seq ?? 0;
  }
}

function callKey(name: string, args: string): string {
  return `${name}\n${args}`;
}

import { canonical } from "./canonical.ts";
import { overridden } from "./derivation.ts";
import { CairnError } from "./errors.ts";
import { FlowMemory, type Completed } from "./flowMemory.ts";
import type { AuditEntry, AuditLog, Model, Recalled, Redactor, World } from "./ports.ts";
import { Rehearsal } from "./rehearsal.ts";
import type {
  Derivation,
  JsonValue,
  Lookup,
  RecordBody,
  SessionRecord,
  StepKind,
} from "./records.ts";
import type { CacheMode, Strategy } from "./profileRecord.ts";
import type { Effect } from "./tool.ts";

export interface FlowParts {
  readonly session: string;
  readonly world: World;
  readonly audit: AuditLog;
  readonly signal: AbortSignal;
  readonly append: (body: RecordBody) => Promise<void>;
  /** What passes it before it is recorded, and before the flow has it. */
  readonly redactor: Redactor;
  /** This session's records so far. */
  readonly history: readonly SessionRecord[];
  /** Whether an id belongs to this flow; a session's records may be of more than one. */
  readonly owns?: (id: string) => boolean;
  readonly strategy?: Strategy;
  /** Nobody is there: what waits for an answer ends without one. */
  readonly unattended?: boolean;
  /** For a session that was made from another one: that one's records, and what is to differ. */
  readonly source?: { readonly records: readonly SessionRecord[]; readonly derivation: Derivation };
  /** Outcomes that other sessions of the workspace share. */
  readonly recall?: (key: string) => Promise<Recalled | null>;
  /** What `llm` asks; without it, `llm` is an error. */
  readonly model?: { readonly name: string; readonly model: Model };
}

/** A step as the run sees it: every default filled in. */
export interface PlannedStep {
  readonly id: string;
  readonly key: string;
  readonly kind: StepKind;
  readonly name: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly effect: Effect;
  readonly checkpoint: boolean;
  readonly cache: CacheMode;
  /** An override changed what goes into it. */
  readonly edited: boolean;
  /** What stands for an effect that a replay has no record of, when the replay says so. */
  readonly missing: JsonValue | undefined;
}

/** Where in the flow something happens: the one line of it, or a branch. */
export interface Place {
  /** True after anything here ran instead of being served: what follows may differ from the source's records. */
  tainted: boolean;
  /** True after a retry did something here again: what follows may differ from this session's own records. */
  redone: boolean;
}

/** `found` is on this session's record already; `serve` is taken over; `run` is done now. */
export type Verdict =
  | { readonly kind: "found"; readonly output: JsonValue }
  | {
      readonly kind: "serve";
      readonly output: JsonValue;
      readonly via: "replay" | "cache" | "override";
      readonly durationMs: number;
      readonly lookup: Lookup;
    }
  | { readonly kind: "run"; readonly lookup: Lookup | null };

type WithoutTime<Body> = Body extends unknown ? Omit<Body, "at"> : never;

/** One run of a flow from its top: what it knows, and what it decides for each step. */
export class FlowRun {
  readonly parts: FlowParts;
  readonly known: FlowMemory;
  readonly source: FlowMemory | null;
  readonly derivation: Derivation | null;
  readonly rehearsal: Rehearsal;
  readonly #sourceSession: string | null;
  /** How often an external effect with these arguments was come by. */
  readonly #effects = new Map<string, number>();

  constructor(parts: FlowParts) {
    this.parts = parts;
    this.known = new FlowMemory(parts.history);
    this.source = parts.source === undefined ? null : new FlowMemory(parts.source.records);
    this.derivation = parts.source?.derivation ?? null;
    this.#sourceSession = parts.source?.records[0]?.session ?? null;
    const owns = parts.owns ?? (() => true);
    this.rehearsal = new Rehearsal(this.known.reached.filter(owns));
  }

  async append(body: WithoutTime<RecordBody>): Promise<void> {
    await this.parts.append({ ...body, at: this.parts.world.now() });
  }

  /** Resolves when the audit log has it. Throws `audit.unwritable`: then it must not happen. */
  async audit(entry: Omit<AuditEntry, "session">): Promise<void> {
    await this.parts.audit.write({ ...entry, session: this.parts.session });
  }

  digest(value: JsonValue): string {
    return this.parts.world.digest(canonical(value));
  }

  /** Decides what becomes of a step. Throws `flow.diverged`, `replay.miss`. */
  async decide(step: PlannedStep, place: Place): Promise<Verdict> {
    const nth = step.effect === "external" ? this.#come(step) + 1 : 0;
    if (nth > 0) this.#effects.set(callOf(step), nth);
    return this.#verdict(step, place, nth);
  }

  /** What `decide` would say, in a word. */
  async foresee(step: PlannedStep, place: Place): Promise<"serves" | "runs" | "stops"> {
    const { tainted, redone } = place;
    try {
      const nth = step.effect === "external" ? this.#come(step) + 1 : 0;
      const { kind } = await this.#verdict(step, { tainted, redone }, nth);
      return kind === "run" ? "runs" : "serves";
    } catch {
      return "stops";
    }
  }

  async #verdict(step: PlannedStep, place: Place, nth: number): Promise<Verdict> {
    if (!step.checkpoint) return { kind: "run", lookup: null };
    const own = this.#own(step, place);
    if (own !== null) return own;
    const override = overridden(this.derivation, step, "output");
    if (override !== undefined) return this.#serve("override", override.value, "selected");
    const { derivation, source } = this;
    if (derivation !== null && source !== null) {
      const verdict = this.#fromSource(step, place, nth);
      if (verdict !== null) return verdict;
    }
    const absent: Verdict = { kind: "run", lookup: this.#lookup(step, "absent") };
    const recalls = step.cache === "workspace" && step.effect === "none";
    if (!recalls || derivation?.at === step.id) return absent;
    const recalled = await this.parts.recall?.(step.key);
    if (recalled === undefined || recalled === null) return absent;
    const { session, output } = recalled;
    const lookup: Lookup = { session, verdict: "served", changed: [] };
    return { kind: "serve", output, via: "cache", durationMs: 0, lookup };
  }

  /** Throws `flow.diverged` unless a record was made with the same key. */
  sameKey(recorded: Pick<Completed, "key" | "inputs">, step: PlannedStep): void {
    if (recorded.key === step.key) return;
    const changed = changedInputs(recorded.inputs, step.inputs);
    throw new CairnError(
      "flow.diverged",
      `${step.id} was recorded with other inputs (${changed.join(", ") || "its kind or name"}). It stopped before any effect; start a new session, or go back to what it was recorded with.`,
      {
        details: {
          step: step.id,
          recorded: recorded.key,
          now: step.key,
          changed: changed.join(","),
        },
      },
    );
  }

  #own(step: PlannedStep, place: Place): Verdict | null {
    if (this.known.redone.has(step.id)) place.redone = true;
    const own = this.known.completed.get(step.id);
    if (own === undefined) return null;
    const outdated = own.key !== step.key && place.redone && this.known.isEarlier(step.id);
    if (outdated) return { kind: "run", lookup: this.#compared(own, step, "differs") };
    this.sameKey(own, step);
    if (own.via !== "replay") place.tainted ||= this.derivation !== null;
    return { kind: "found", output: own.output };
  }

  /** What a replay or a fork does with a step, null when its source has nothing to say. */
  #fromSource(step: PlannedStep, place: Place, nth: number): Verdict | null {
    const recorded = this.source?.completed.get(step.id);
    if (this.derivation?.skip.includes(step.id) === true && recorded !== undefined) {
      return this.#serveRecord(recorded, "skipped");
    }
    const replaysEffect = this.#replays && step.effect === "external";
    if (this.derivation?.at === step.id || step.edited) {
      if (replaysEffect) return this.#fromCalls(step, nth, "selected");
      return { kind: "run", lookup: this.#lookup(step, "selected") };
    }
    if (recorded !== undefined) return this.#fromRecord(step, recorded, place, nth);
    if (!this.#replays) return null;
    if (!place.tainted) throw miss(step.id);
    return replaysEffect ? this.#fromCalls(step, nth, "absent") : null;
  }

  #fromRecord(step: PlannedStep, recorded: Completed, place: Place, nth: number): Verdict {
    const same = recorded.key === step.key;
    const external = step.effect === "external";
    if (same && step.cache === "off" && !external) {
      return { kind: "run", lookup: this.#compared(recorded, step, "cacheOff") };
    }
    if (!place.tainted) this.sameKey(recorded, step);
    // Behind its point a fork is on its own: an effect there is a new one.
    const live = !this.#replays && place.tainted && step.effect !== "none";
    if (same && !live) return this.#serveRecord(recorded, "served");
    if (this.#replays && external) return this.#fromCalls(step, nth, "differs");
    return { kind: "run", lookup: this.#compared(recorded, step, "differs") };
  }

  get #replays(): boolean {
    return this.derivation?.mode === "replay";
  }

  /** A replay's external effects: recorded results by tool and arguments, in the order they were recorded. */
  #fromCalls(step: PlannedStep, nth: number, why: Lookup["verdict"]): Verdict {
    const recorded = this.source?.effect(step.name, step.inputs["args"] ?? "", nth);
    if (recorded !== undefined) return this.#serveRecord(recorded, "served");
    const onMiss = this.derivation?.onMiss ?? "fail";
    if (onMiss === "run") return { kind: "run", lookup: this.#lookup(step, why) };
    if (onMiss === "error" && step.missing !== undefined) {
      return this.#serve("replay", step.missing, "absent");
    }
    throw miss(step.id);
  }

  /** How often the run came by this call so far. */
  #come(step: PlannedStep): number {
    return this.#effects.get(callOf(step)) ?? 0;
  }

  #serveRecord(record: Completed, verdict: Lookup["verdict"]): Verdict {
    return { ...this.#serve("replay", record.output, verdict), durationMs: record.durationMs };
  }

  #serve(
    via: "replay" | "override",
    output: JsonValue,
    verdict: Lookup["verdict"],
  ): Extract<Verdict, { kind: "serve" }> {
    const lookup: Lookup = { session: this.#sourceSession, verdict, changed: [] };
    return { kind: "serve", output, via, durationMs: 0, lookup };
  }

  #compared(record: Completed, step: PlannedStep, verdict: Lookup["verdict"]): Lookup {
    const changed = changedInputs(record.inputs, step.inputs);
    return { session: record.session, verdict, changed: [...changed] };
  }

  #lookup(step: PlannedStep, verdict: Lookup["verdict"]): Lookup {
    const recorded = this.source?.completed.get(step.id);
    if (recorded !== undefined) return this.#compared(recorded, step, verdict);
    return { session: this.#sourceSession, verdict, changed: [] };
  }
}

function callOf({ name, inputs }: PlannedStep): string {
  return `${name}\n${inputs["args"] ?? ""}`;
}

function changedInputs(
  recorded: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
): readonly string[] {
  const names = new Set([...Object.keys(recorded), ...Object.keys(now)]);
  return [...names].filter((name) => recorded[name] !== now[name]);
}

function miss(id: string): CairnError {
  return new CairnError(
    "replay.miss",
    `The recording has no result for ${id}. Nothing was run instead; say what to do on a miss, or fork the session.`,
    { details: { step: id } },
  );
}

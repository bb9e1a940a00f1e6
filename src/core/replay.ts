import * as z from "zod";
import { applyOutput } from "./apply.ts";
import { CairnError } from "./errors.ts";
import { costOf, priceOf } from "./modelFacts.ts";
import {
  modelReply,
  toolOutput,
  treeInfo,
  type JsonValue,
  type Lookup,
  type SessionRecord,
  type SessionSpec,
  type SessionStatus,
  type StepKind,
  type Usage,
} from "./records.ts";
import type { CacheMode } from "./profileRecord.ts";

export type OpenWait = Extract<SessionRecord, { kind: "wait.opened" }>;
export type Answered = Extract<SessionRecord, { kind: "wait.answered" }>;
export type EndedRecord = Extract<SessionRecord, { kind: "session.ended" }>;
type CompletedRecord = Extract<SessionRecord, { kind: "step.completed" }>;

/** One call as a person reads it: what was asked, what came back, and the files after it. */
export interface CallView {
  readonly step: string;
  readonly name: string;
  readonly kind: StepKind;
  /** What the model was asked, or the arguments of the call. */
  readonly input: string;
  /** Null while it has no outcome. */
  readonly output: string | null;
  readonly ok: boolean;
  readonly durationMs: number;
  readonly via: CompletedRecord["via"];
  /** Why it ran or was served; null for what was never looked up. */
  readonly lookup: Lookup | null;
  readonly cache: CacheMode;
  /** False for what is no checkpoint. */
  readonly checkpoint: boolean;
  readonly usage: Usage | null;
  /** The tree before and after the call; equal when it changed no file. Empty before the copy exists. */
  readonly treeBefore: string;
  readonly treeAfter: string;
}

/** One prompt and the calls that it led to; turn 0 is what belongs to no prompt. */
export interface TurnView {
  readonly turn: number;
  readonly prompt: string;
  readonly calls: readonly CallView[];
}

/** What a session looks like, from its records alone. */
export interface SessionView {
  readonly session: string;
  readonly spec: SessionSpec;
  readonly status: SessionStatus;
  readonly turns: readonly TurnView[];
  readonly openWaits: readonly OpenWait[];
  readonly answered: readonly Answered[];
  readonly ended: EndedRecord | null;
  /** What the flow returned, null included; undefined until it completed. */
  readonly result: JsonValue | undefined;
  /** What was paid for: calls that ran, not what was served. */
  readonly usage: Usage;
  /** US dollars, or null where a model's price is not known. */
  readonly cost: number | null;
  /** What the flow logged: objects merged, of anything else the last. */
  readonly facts: Readonly<Record<string, JsonValue>>;
  /** The tree the session started from and the newest one; empty before the copy exists. */
  readonly baseTree: string;
  readonly tree: string;
  /** The newest plan of changes to apply, and whether they were applied. */
  readonly applied: boolean;
  readonly startedAt: number;
  readonly lastAt: number;
}

const turnId = /^turn\/(\d+)\//;

/** Folds records into what people look at. Inert: runs nothing, reads nothing. Throws `store.corrupt` when the records do not start a session. */
export function viewOf(records: readonly SessionRecord[]): SessionView {
  const [first] = records;
  if (first?.kind !== "session.started") {
    throw new CairnError("store.corrupt", "The session's first record does not start a session.");
  }
  const fold = new Fold(first.spec);
  for (const record of records) fold.add(record);
  return {
    session: first.session,
    spec: first.spec,
    status: fold.status,
    turns: [...fold.turns]
      .toSorted(([one], [two]) => one - two)
      .map(([turn, calls]) => ({
        turn,
        prompt: promptOf(first.spec, turn),
        calls: [...calls.values()],
      })),
    openWaits: isOver(fold.status) ? [] : [...fold.open.values()],
    answered: fold.answered,
    ended: fold.ended,
    result: fold.status === "completed" ? resultOf(fold.ended) : undefined,
    usage: fold.usage,
    cost: fold.cost,
    facts: fold.facts,
    baseTree: fold.baseTree,
    tree: fold.tree,
    applied: fold.applied,
    startedAt: first.at,
    lastAt: records.at(-1)?.at ?? first.at,
  };
}

/** The status that a session's newest record says. Whether somebody drives it now is the lease's to say. */
export function statusOf(last: SessionRecord): SessionStatus {
  switch (last.kind) {
    case "session.ended":
      return last.status;
    case "wait.opened":
    case "session.parked":
      return "waiting";
    case "session.started":
    case "session.resumed":
    case "step.started":
    case "step.completed":
    case "step.failed":
    case "wait.answered":
      return "running";
  }
}

class Fold {
  status: SessionStatus = "running";
  readonly turns = new Map<number, Map<string, CallView>>();
  readonly open = new Map<string, OpenWait>();
  readonly answered: Answered[] = [];
  ended: EndedRecord | null = null;
  usage: Usage = { inputTokens: 0, outputTokens: 0, cachedTokens: 0 };
  cost: number | null = 0;
  facts: Readonly<Record<string, JsonValue>> = {};
  baseTree = "";
  tree = "";
  applied = false;
  readonly #spec: SessionSpec;
  /** Calls that the model asked for and that have no outcome yet, by step. */
  readonly #asked = new Map<string, string>();

  constructor(spec: SessionSpec) {
    this.#spec = spec;
  }

  add(record: SessionRecord): void {
    switch (record.kind) {
      case "session.started":
      case "session.resumed":
        this.status = "running";
        break;
      case "session.parked":
        this.status = "waiting";
        break;
      case "step.started":
      case "step.failed":
        break;
      case "step.completed":
        this.#completed(record);
        break;
      case "wait.opened":
        this.open.set(record.wait, record);
        this.status = "waiting";
        break;
      case "wait.answered":
        this.open.delete(record.wait);
        this.answered.push(record);
        this.status = this.open.size > 0 ? "waiting" : "running";
        break;
      case "session.ended":
        this.ended = record;
        this.status = record.status;
        break;
    }
  }

  #completed(record: CompletedRecord): void {
    switch (record.stepKind) {
      case "model":
        this.#model(record);
        break;
      case "tool":
        this.#tool(record);
        break;
      case "workspace":
        this.baseTree = treeInfo.parse(record.output).tree;
        this.tree = this.baseTree;
        break;
      case "apply":
        if (record.name === "write" || record.name === "undo") {
          const whole = applyOutput.parse(record.output).failure === null;
          this.applied = record.name === "write" ? whole : this.applied && !whole;
        }
        break;
      case "log":
        this.facts = merged(this.facts, record.output);
        break;
      case "step":
      case "artifact":
      case "value":
      case "compaction":
        this.#show(record, { input: "", output: textOf(record.output), ok: true, usage: null });
        break;
      case "turn":
        break;
    }
  }

  #model(record: CompletedRecord): void {
    const reply = modelReply.parse(record.output);
    const turn = turnOf(record.step);
    const isFirst = (this.turns.get(turn)?.size ?? 0) === 0;
    const input = isFirst ? promptOf(this.#spec, turn) : "";
    this.#show(record, { input, output: reply.text, ok: true, usage: reply.usage });
    if (record.via === "run") this.#spent(record.name, reply.usage);
    for (const call of reply.toolCalls) {
      const step = this.#callStep(`turn/${turn}/tool/${stepName(call.id)}`);
      this.#asked.set(step, call.args);
      this.#calls(turn).set(step, {
        step,
        name: call.tool,
        kind: "tool",
        input: call.args,
        output: null,
        ok: true,
        durationMs: 0,
        via: "run",
        lookup: null,
        cache: "session",
        checkpoint: true,
        usage: null,
        treeBefore: this.tree,
        treeAfter: this.tree,
      });
    }
  }

  /** The id that this call's step has, or will have: an id that a model uses again is counted. */
  #callStep(name: string): string {
    let step = name;
    for (let times = 2; this.#asked.has(step); times += 1) step = `${name}#${times}`;
    return step;
  }

  #tool(record: CompletedRecord): void {
    const { text, ok, tree } = toolOutput.parse(record.output);
    const before = this.tree;
    this.tree = tree ?? this.tree;
    const input = this.#asked.get(record.step) ?? "";
    this.#show(record, { input, output: text, ok, usage: null }, before);
  }

  #show(
    record: CompletedRecord,
    call: Pick<CallView, "input" | "output" | "ok" | "usage">,
    treeBefore = this.tree,
  ): void {
    const { step, name, stepKind: kind, durationMs, via, lookup = null } = record;
    const { cache = "session", checkpoint = true } = record;
    const head = { step, name, kind, durationMs, via, lookup, cache, checkpoint };
    const trees = { treeBefore, treeAfter: this.tree };
    this.#calls(turnOf(step)).set(step, { ...head, ...call, ...trees });
  }

  #calls(turn: number): Map<string, CallView> {
    const known = this.turns.get(turn);
    if (known !== undefined) return known;
    const calls = new Map<string, CallView>();
    this.turns.set(turn, calls);
    return calls;
  }

  #spent(model: string, used: Usage | null): void {
    if (used === null) return;
    this.usage = sum(this.usage, used);
    const price = priceOf(model, this.#spec.profile);
    this.cost = price === null || this.cost === null ? null : this.cost + costOf(used, price);
  }
}

function turnOf(step: string): number {
  return Number(turnId.exec(step)?.[1] ?? 0);
}

/** What the user said in a turn; the goal where a flow has no prompts. */
function promptOf({ goal, flow }: SessionSpec, turn: number): string {
  const input = promptsInput.safeParse(flow?.input);
  if (input.success) return input.data.prompts[turn - 1] ?? "";
  return turn === 1 ? goal : "";
}

/** A text that a flow returned stands as its output; what else it returned, null too, as its result. */
function resultOf(ended: EndedRecord | null): JsonValue | undefined {
  if (ended === null) return undefined;
  return ended.result === undefined ? ended.output : ended.result;
}

function isOver(status: SessionStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** Objects grow together, key by key; of anything else the last one stays. */
function merged(
  facts: Readonly<Record<string, JsonValue>>,
  more: JsonValue,
): Readonly<Record<string, JsonValue>> {
  const added = jsonObject.safeParse(more);
  if (!added.success) return facts;
  const result = { ...facts };
  for (const [name, value] of Object.entries(added.data)) {
    const both = z.tuple([jsonObject, jsonObject]).safeParse([result[name], value]);
    result[name] = both.success ? { ...merged(both.data[0], both.data[1]) } : value;
  }
  return result;
}

function textOf(value: JsonValue): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

const jsonObject = z.record(z.string(), z.json());
const promptsInput = z.object({ prompts: z.array(z.string()) });

/** A call id as it stands in a step id: only characters that read in a path. */
export function stepName(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9_.-]/g, "_");
}

function sum(left: Usage, right: Usage): Usage {
  return {
    inputTokens: left.inputTokens + right.inputTokens,
    outputTokens: left.outputTokens + right.outputTokens,
    cachedTokens: left.cachedTokens + right.cachedTokens,
  };
}

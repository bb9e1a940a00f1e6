import * as z from "zod";
import { applyOutput } from "./apply.ts";
import { CairnError } from "./errors.ts";
import {
  modelReply,
  toolOutput,
  treeInfo,
  type JsonValue,
  type SessionRecord,
  type SessionSpec,
  type SessionStatus,
  type Usage,
} from "./records.ts";

export type OpenWait = Extract<SessionRecord, { kind: "wait.opened" }>;
export type Answered = Extract<SessionRecord, { kind: "wait.answered" }>;
export type EndedRecord = Extract<SessionRecord, { kind: "session.ended" }>;

/** One call as a person reads it: what was asked, what came back, and the files after it. */
export interface CallView {
  readonly step: string;
  readonly name: string;
  readonly kind: "model" | "tool";
  /** The model's words, or the arguments of the call. */
  readonly input: string;
  /** Null while it has no outcome. */
  readonly output: string | null;
  readonly ok: boolean;
  readonly durationMs: number;
  readonly via: "run" | "replay";
  readonly usage: Usage | null;
  /** The tree before and after the call; equal when it changed no file. Empty before the copy exists. */
  readonly treeBefore: string;
  readonly treeAfter: string;
}

export interface TurnView {
  readonly turn: number;
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
  readonly usage: Usage;
  /** The tree the session started from and the newest one; empty before the copy exists. */
  readonly baseTree: string;
  readonly tree: string;
  /** The newest plan of changes to apply, and whether they were applied. */
  readonly applied: boolean;
  readonly startedAt: number;
  readonly lastAt: number;
}

const callId = /^turn\/(\d+)\/tool\/(.+)$/;

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
    turns: [...fold.turns].map(([turn, calls]) => ({ turn, calls: [...calls.values()] })),
    openWaits: [...fold.open.values()],
    answered: fold.answered,
    ended: fold.ended,
    usage: fold.usage,
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
  baseTree = "";
  tree = "";
  applied = false;
  readonly #spec: SessionSpec;
  readonly #asked = new Map<string, { readonly tool: string; readonly args: string }>();

  constructor(spec: SessionSpec) {
    this.#spec = spec;
  }

  add(record: SessionRecord): void {
    switch (record.kind) {
      case "session.started":
      case "session.resumed":
        this.status = "running";
        break;
      case "step.started":
        break;
      case "step.completed":
        this.#completed(record);
        break;
      case "step.failed":
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

  #completed(record: Extract<SessionRecord, { kind: "step.completed" }>): void {
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
        if (record.name === "write") {
          this.applied = applyOutput.parse(record.output).failure === null;
        }
        break;
    }
  }

  #model(record: Extract<SessionRecord, { kind: "step.completed" }>): void {
    const reply = modelReply.parse(record.output);
    const turn = Number(/^turn\/(\d+)\//.exec(record.step)?.[1] ?? 0);
    const calls = new Map<string, CallView>();
    this.turns.set(turn, calls);
    calls.set(record.step, {
      ...this.#head(record),
      kind: "model",
      input: turn === 1 ? this.#spec.goal : "",
      output: reply.text,
      ok: true,
      usage: reply.usage,
      treeAfter: this.tree,
    });
    if (reply.usage !== null) this.usage = sum(this.usage, reply.usage);
    for (const call of reply.toolCalls) {
      const step = `turn/${turn}/tool/${stepName(call.id)}`;
      this.#asked.set(step, call);
      calls.set(step, {
        step,
        name: call.tool,
        kind: "tool",
        input: call.args,
        output: null,
        ok: true,
        durationMs: 0,
        via: "run",
        usage: null,
        treeBefore: this.tree,
        treeAfter: this.tree,
      });
    }
  }

  #tool(record: Extract<SessionRecord, { kind: "step.completed" }>): void {
    const turn = Number(callId.exec(record.step)?.[1] ?? 0);
    const output = toolOutput.parse(record.output);
    const head = this.#head(record);
    this.tree = output.tree ?? this.tree;
    this.turns.get(turn)?.set(record.step, {
      ...head,
      kind: "tool",
      input: this.#asked.get(record.step)?.args ?? "",
      output: output.text,
      ok: output.ok,
      usage: null,
      treeAfter: this.tree,
    });
  }

  #head(record: Extract<SessionRecord, { kind: "step.completed" }>) {
    const { step, name, durationMs, via } = record;
    return { step, name, durationMs, via, treeBefore: this.tree };
  }
}

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

/** The value to suggest for a wait on a command line. */
export function suggestedAnswer(wait: OpenWait): JsonValue {
  const { subject } = wait;
  if (subject.kind === "question") return subject.choices[0] ?? "";
  return { approved: true, note: "" };
}

const shortDecision = z.enum(["approve", "yes", "reject", "no"]);

/**
 * An answer as a person types it: for a decision `approve` or `reject[: why]`, for a question the
 * text itself. Throws `wait.invalidAnswer`, which leaves the wait open.
 */
export function parseAnswer(wait: OpenWait, text: string): JsonValue {
  if (wait.waitKind === "question") {
    if (text.trim() === "") {
      throw new CairnError("wait.invalidAnswer", "The answer is empty. Type some text.");
    }
    return text;
  }
  const [word = "", ...rest] = text.split(":");
  const parsed = shortDecision.safeParse(word.trim().toLowerCase());
  if (!parsed.success) {
    throw new CairnError(
      "wait.invalidAnswer",
      `"${text}" is not a decision. Answer "approve", or "reject: why".`,
    );
  }
  const approved = parsed.data === "approve" || parsed.data === "yes";
  return { approved, note: rest.join(":").trim() };
}

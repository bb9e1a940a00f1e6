import type { SessionRecord } from "../core/records.ts";
import type { CallView, SessionView, TurnView } from "../core/replay.ts";
import { callInput, callOutput, callTitle, duration } from "./callWords.ts";
import { fence } from "./plainMarkdown.ts";
import { replayAnswers } from "./replayAnswers.ts";
import { replayHeader } from "./replayHeader.ts";

/** A heading that commands hang on. */
export interface ReplayBlock {
  readonly line: number;
  /** The step whose output and files it shows. */
  readonly step: string;
  /** All steps of the block, in order. */
  readonly steps: readonly string[];
  /** Where a session that is made from here begins; null when it cannot begin here. */
  readonly at: string | null;
  /** The tree that it left; empty before there is a copy of the workspace. */
  readonly tree: string;
}

export interface ReplayText {
  readonly text: string;
  readonly blocks: readonly ReplayBlock[];
}

const shownLines = 40;
const shownCharacters = 4000;

/**
 * A session as a markdown text: a block a call, or a block a turn where the session asked for that.
 * Whatever a model, a command or a person wrote stands in a fence that it cannot close, so nothing
 * in it is a link, HTML or a heading.
 */
export function replayText(view: SessionView, records: readonly SessionRecord[]): ReplayText {
  const page = new Page();
  page.add("# Replay", "", ...replayHeader(view), "", ...asked(view));
  const failures = failuresOf(records);
  for (const turn of view.turns) {
    const byTurn = view.spec.profile.strategy === "turn" && turn.turn > 0;
    if (byTurn) turnBlock(page, turn, failures);
    else callBlocks(page, turn, failures);
  }
  page.add(...ending(view, records));
  return page.end();
}

/** The whole output of a call, as it is on record. */
export function fullOutput(view: SessionView, step: string): string | null {
  const calls = view.turns.flatMap((turn) => turn.calls);
  return calls.find((call) => call.step === step)?.output ?? null;
}

type Failures = ReadonlyMap<string, readonly string[]>;

class Page {
  readonly #lines: string[] = [];
  readonly #blocks: ReplayBlock[] = [];

  add(...lines: readonly string[]): void {
    this.#lines.push(...lines);
  }

  heading(line: string, block: Omit<ReplayBlock, "line">): void {
    this.#blocks.push({ line: this.#lines.length, ...block });
    this.#lines.push(line, "");
  }

  end(): ReplayText {
    return { text: `${this.#lines.join("\n").trimEnd()}\n`, blocks: this.#blocks };
  }
}

/** The goal until a turn says it, and the input of a flow of one's own. */
function asked({ spec, turns }: SessionView): readonly string[] {
  const { goal, flow } = spec;
  if (turns.some(({ prompt }) => prompt === goal)) return [];
  const goals = ["## Goal", "", ...fence("text", goal), ""];
  if (flow === undefined || flow.name === "agent") return goals;
  return ["## Input", "", ...fence("json", JSON.stringify(flow.input, null, 2)), ""];
}

function callBlocks(page: Page, { turn, prompt, calls }: TurnView, failures: Failures): void {
  page.add(turn === 0 ? "## Steps" : `## Turn ${turn}`, "");
  if (prompt !== "") page.add(...fence("text", bounded(prompt)), "");
  for (const call of calls) {
    page.heading(`### ${callTitle(call)}`, {
      step: call.step,
      steps: [call.step],
      at: isCheckpoint(call) ? call.step : null,
      tree: call.treeAfter,
    });
    addCall(page, call, failures);
  }
}

function turnBlock(page: Page, { turn, prompt, calls }: TurnView, failures: Failures): void {
  const last = calls.at(-1);
  if (last === undefined) return;
  const ms = calls.reduce((sum, call) => sum + (call.via === "run" ? call.durationMs : 0), 0);
  page.heading(`## Turn ${turn} · ${calls.length} calls · ${duration(ms)}`, {
    step: last.step,
    steps: calls.map(({ step }) => step),
    at: calls.some(isCheckpoint) ? `turn/${turn}` : null,
    tree: last.treeAfter,
  });
  if (prompt !== "") page.add(...fence("text", bounded(prompt)), "");
  for (const call of calls) {
    page.add(`**${callTitle(call)}**`, "");
    addCall(page, call, failures);
  }
}

/** Whether a call is a place to come back to. */
export function isCheckpoint({ output, checkpoint }: CallView): boolean {
  return output !== null && checkpoint;
}

function addCall(page: Page, call: CallView, failures: Failures): void {
  const input = callInput(call);
  const output = callOutput(call);
  if (call.kind === "tool") page.add(...fence(input.language, bounded(input.text)), "");
  for (const failure of failures.get(call.step) ?? []) page.add(...fence("text", failure), "");
  if (output === null || output === "") return;
  if (call.kind === "tool") page.add("Output:", "");
  page.add(...fence("text", bounded(output)), "");
}

/** Attempts that failed, by step. */
function failuresOf(records: readonly SessionRecord[]): Failures {
  const failures = new Map<string, string[]>();
  for (const record of records) {
    if (record.kind !== "step.failed") continue;
    const { step, attempt, failure } = record;
    const line = `Attempt ${attempt} failed: ${failure.message} (${failure.code})`;
    failures.set(step, [...(failures.get(step) ?? []), line]);
  }
  return failures;
}

function ending(view: SessionView, records: readonly SessionRecord[]): readonly string[] {
  const { openWaits, answered, ended, facts } = view;
  const lines: string[] = [];
  if (Object.keys(facts).length > 0) {
    lines.push("## Facts", "", ...fence("json", JSON.stringify(facts, null, 2)), "");
  }
  if (answered.length > 0) lines.push("## Answers", "", ...replayAnswers(view, records), "");
  for (const { question } of openWaits) {
    lines.push("## Waits for an answer", "", ...fence("text", question), "");
  }
  if (ended === null) return lines;
  const { failure, status, output } = ended;
  const text = failure === null ? output : `${failure.message} (${failure.code})`;
  return [...lines, `## Ended: ${status}`, "", ...(text === "" ? [] : fence("text", text))];
}

function bounded(text: string): string {
  const lines = text.slice(0, shownCharacters).split("\n").slice(0, shownLines);
  const shown = lines.join("\n");
  if (shown.length === text.length) return text;
  return `${shown}\n[… ${text.length - shown.length} characters more: Open output]`;
}

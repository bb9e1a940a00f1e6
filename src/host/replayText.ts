import * as z from "zod";
import type { CallView, SessionView, TurnView } from "../core/replay.ts";

/** A heading that commands hang on. */
export interface ReplayBlock {
  readonly line: number;
  readonly step: string;
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
export function replayText(view: SessionView): ReplayText {
  const page = new Page();
  page.add("# Replay", "");
  page.add(...header(view), "");
  page.add("## Goal", "", ...fence("text", view.spec.goal), "");
  for (const turn of view.turns) {
    if (view.spec.profile.strategy === "turn") turnBlock(page, turn);
    else callBlocks(page, turn);
  }
  page.add(...ending(view));
  return page.end();
}

/** The whole output of a call, as it is on record. */
export function fullOutput(view: SessionView, step: string): string | null {
  const calls = view.turns.flatMap((turn) => turn.calls);
  return calls.find((call) => call.step === step)?.output ?? null;
}

/** What a call was asked to do: a command as it ran, other arguments as JSON. */
export function callInput(call: CallView): { readonly language: string; readonly text: string } {
  if (call.kind === "model") return { language: "text", text: call.input };
  let args: unknown;
  try {
    args = JSON.parse(call.input);
  } catch {
    return { language: "text", text: call.input };
  }
  const command = z.strictObject({ command: z.string() }).safeParse(args);
  if (command.success) return { language: "sh", text: command.data.command };
  return { language: "json", text: JSON.stringify(args, null, 2) };
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

class Page {
  readonly #lines: string[] = [];
  readonly #blocks: ReplayBlock[] = [];

  add(...lines: readonly string[]): void {
    this.#lines.push(...lines);
  }

  heading(line: string, call: CallView): void {
    this.#blocks.push({ line: this.#lines.length, step: call.step, tree: call.treeAfter });
    this.#lines.push(line, "");
  }

  end(): ReplayText {
    return { text: `${this.#lines.join("\n").trimEnd()}\n`, blocks: this.#blocks };
  }
}

function header(view: SessionView): readonly string[] {
  const { spec, usage, startedAt, lastAt } = view;
  const { sandbox, profile, skills } = spec;
  const facts: readonly (readonly [string, string])[] = [
    ["Status", view.status],
    ["Session", inline(view.session)],
    ["Model", inline(spec.model.name) + (spec.model.demo ? "" : ` at ${inline(spec.model.url)}`)],
    ["Sandbox", sandbox.backend + (sandbox.image === null ? "" : `, ${inline(sandbox.image)}`)],
    ["Profile", inline(profile.name)],
    ["Checkpoints", profile.strategy === "calls" ? "every call" : "every turn"],
    ["Skills", skills === null ? "none" : inline(skills.commit ?? skills.digest.slice(0, 12))],
    [
      "Tokens",
      `${count(usage.inputTokens)} in (${count(usage.cachedTokens)} cached), ${count(usage.outputTokens)} out`,
    ],
    ["Started", new Date(startedAt).toLocaleString()],
    ["Last record", `${duration(lastAt - startedAt)} later`],
    ...(spec.replayOf === null ? [] : [["Replay of", inline(spec.replayOf)] as const]),
  ];
  return facts.map(([name, value]) => `- ${name}: ${value}`);
}

function callBlocks(page: Page, turn: TurnView): void {
  page.add(`## Turn ${turn.turn}`, "");
  for (const call of turn.calls) {
    page.heading(`### ${callTitle(call)}`, call);
    addCall(page, call);
  }
}

function turnBlock(page: Page, turn: TurnView): void {
  const last = turn.calls.at(-1);
  if (last === undefined) return;
  const ms = turn.calls.reduce((sum, call) => sum + call.durationMs, 0);
  page.heading(`## Turn ${turn.turn} · ${turn.calls.length} calls · ${duration(ms)}`, last);
  for (const call of turn.calls) {
    page.add(`**${callTitle(call)}**`, "");
    addCall(page, call);
  }
}

function callTitle(call: CallView): string {
  const parts = [
    call.kind === "model" ? `Model ${inline(call.name)}` : inline(call.name),
    call.output === null ? "no outcome yet" : duration(call.durationMs),
    ...(call.usage === null
      ? []
      : [`${count(call.usage.inputTokens)} in, ${count(call.usage.outputTokens)} out`]),
    ...(call.ok ? [] : ["failed"]),
    ...(call.via === "replay" ? ["served from the recording"] : []),
    ...(call.treeAfter === call.treeBefore ? [] : [`files ${call.treeAfter.slice(0, 8)}`]),
  ];
  return parts.join(" · ");
}

function addCall(page: Page, call: CallView): void {
  const input = callInput(call);
  if (call.kind === "tool") page.add(...fence(input.language, bounded(input.text)), "");
  if (call.output === null || call.output === "") return;
  if (call.kind === "tool") page.add("Output:", "");
  page.add(...fence("text", bounded(call.output)), "");
}

function ending({ openWaits, answered, ended }: SessionView): readonly string[] {
  const lines: string[] = [];
  if (answered.length > 0) lines.push("## Answers", "");
  for (const { wait, answer, by } of answered) {
    const text = typeof answer === "string" ? answer : JSON.stringify(answer);
    lines.push(`- ${inline(wait)}, by ${inline(by.user)} (${by.surface}): ${inline(text)}`);
  }
  if (answered.length > 0) lines.push("");
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

function fence(language: string, text: string): readonly string[] {
  const marks = "`".repeat(Math.max(2, longestRun(text)) + 1);
  return [marks + language, ...text.split("\n"), marks];
}

function inline(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  const marks = "`".repeat(longestRun(line) + 1);
  const space = line.startsWith("`") || line.endsWith("`") || line === "" ? " " : "";
  return marks + space + line + space + marks;
}

function count(tokens: number): string {
  return tokens.toLocaleString("en");
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}

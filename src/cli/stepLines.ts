import { applyOutput, describeApply, describeUndo } from "../core/apply.ts";
import { compaction } from "../core/conversation.ts";
import {
  modelReply,
  toolOutput,
  treeInfo,
  type JsonValue,
  type SessionRecord,
} from "../core/records.ts";
import { firstLine } from "./firstLine.ts";

type CompletedRecord = Extract<SessionRecord, { kind: "step.completed" }>;

/** How much of one output is printed; all of it is on record. */
const shownLines = 12;

/** A step's outcome: how it came about, then what it gave. */
export function stepLines(record: CompletedRecord): readonly string[] {
  switch (record.stepKind) {
    case "model":
      return modelLines(record);
    case "tool":
      return toolLines(record);
    case "workspace": {
      const { files, bytes, leftOut } = treeInfo.parse(record.output);
      const left = leftOut.map(({ path, reason }) => `left out: ${path} (${reason})`);
      return [`${head(record)}: ${files} files copied, ${bytes} bytes`, ...left.slice(0, 8)];
    }
    case "apply":
      return applyLines(record);
    case "turn":
      return [`${head(record)}: the turn is one checkpoint; the calls above are inside`];
    case "compaction": {
      const { before, after, shortened } = compaction.parse(record.output);
      return [
        `${head(record)}: ${shortened.length} older texts shortened to fit the model's window, about ${before} → ${after} tokens; all of them stay on record`,
      ];
    }
    case "log":
      return [`${head(record)}: logged`, ...shown(textOf(record.output))];
    case "artifact":
      return [`${head(record)}: saved as ${record.name}`, ...shown(textOf(record.output))];
    case "value":
      return [`${head(record)}: ${firstLine(textOf(record.output))}`];
    case "step":
      return [head(record), ...shown(textOf(record.output))];
  }
}

function toolLines(record: CompletedRecord): readonly string[] {
  const { text, leftOut = [] } = toolOutput.parse(record.output);
  const left = leftOut.map(({ path, reason }) => `not in the checkpoint: ${path} (${reason})`);
  return [head(record), ...shown(text), ...left.slice(0, shownLines)];
}

function applyLines(record: CompletedRecord): readonly string[] {
  if (record.name === "plan" || record.name === "keep") return [head(record)];
  const output = applyOutput.parse(record.output);
  const said = record.name === "undo" ? describeUndo(output) : describeApply(output);
  const left = output.leftAlone.map(({ path, reason }) => `left alone: ${path} (${reason})`);
  const kept = output.kept?.paths.map((path) => `kept as you had it: ${path}`) ?? [];
  return [`${head(record)}: ${said}`, ...left.slice(0, shownLines), ...kept];
}

function modelLines(record: CompletedRecord): readonly string[] {
  const { text, toolCalls, usage } = modelReply.parse(record.output);
  const tokens = usage === null ? [] : [`${usage.inputTokens} + ${usage.outputTokens} tokens`];
  return [
    head(record, tokens),
    ...text.split("\n").filter(Boolean),
    ...toolCalls.map(({ tool, args }) => `→ ${tool} ${firstLine(args)}`),
  ];
}

function head(record: CompletedRecord, more: readonly string[] = []): string {
  const { checkpoint, cache } = record;
  const facts = [
    origin(record),
    ...more,
    ...(checkpoint === false ? ["no checkpoint"] : []),
    ...(cache === undefined ? [] : [`cache ${cache}`]),
  ];
  return `${record.step} (${facts.join(", ")})`;
}

function origin({ via, durationMs, lookup }: CompletedRecord): string {
  switch (via) {
    case "replay":
      return lookup?.verdict === "skipped" ? "replayed, skipped" : "replayed";
    case "cache":
      return `from session ${lookup?.session ?? "unknown"}, same work`;
    case "override":
      return "given by hand";
    case "run": {
      const changed = lookup?.verdict === "differs" ? lookup.changed.join(", ") : "";
      const why = changed === "" ? "" : `, ran because of other ${changed}`;
      return `${Math.round(durationMs)} ms${why}`;
    }
  }
}

function shown(text: string): readonly string[] {
  const all = text.split("\n");
  const left = all.length - shownLines;
  return left <= 0 ? all : [...all.slice(0, shownLines), `… ${left} more lines`];
}

function textOf(value: JsonValue): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

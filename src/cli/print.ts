import type { SessionRecord } from "../core/records.ts";
import { modelReply, toolOutput, treeInfo } from "../core/records.ts";
import { suggestedAnswer, type OpenWait } from "../core/replay.ts";
import type { SessionEntry } from "../core/sessions.ts";

/** Takes out what would move the cursor or hide text: nobody else's text drives the terminal. */
export function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character === "\n" || character === "\t"
      ? character
      : `⟨U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`,
  );
}

/** One record as a person reads it. */
export function printRecord(record: SessionRecord): string {
  return plain(`${String(record.seq).padStart(4)}  ${lines(record).join("\n      ")}\n`);
}

function lines(record: SessionRecord): readonly string[] {
  switch (record.kind) {
    case "session.started": {
      const { spec } = record;
      const image = spec.sandbox.image === null ? "" : ` (${spec.sandbox.image})`;
      return [
        `session ${record.session} started: ${spec.goal}`,
        `profile ${spec.profile.name}, model ${spec.model.name}, sandbox ${spec.sandbox.backend}${image}`,
        ...(spec.sandbox.limits === "" ? [] : [spec.sandbox.limits]),
      ];
    }
    case "session.resumed":
      return [`session resumed (${record.reason})${record.newShell ? " in a new shell" : ""}`];
    case "step.started":
      return [`${record.step}: ${first(record.what)}`];
    case "step.completed":
      return completed(record);
    case "step.failed":
      return [
        `${record.step} failed (attempt ${record.attempt}${record.willRetry ? ", trying again" : ""}): ${record.failure.message}`,
      ];
    case "wait.opened":
      return [`waiting at ${record.wait}: ${record.question}`, ...subjectLines(record)];
    case "wait.answered":
      return [
        `${record.wait} answered by ${record.by.user} (${record.by.surface}): ${JSON.stringify(record.answer)}`,
      ];
    case "session.ended": {
      const failure =
        record.failure === null ? [] : [`${record.failure.message} [${record.failure.code}]`];
      return [`session ${record.status}`, ...record.output.split("\n").filter(Boolean), ...failure];
    }
  }
}

function completed(record: Extract<SessionRecord, { kind: "step.completed" }>): readonly string[] {
  const took = record.via === "replay" ? "replayed" : `${Math.round(record.durationMs)} ms`;
  const head = `${record.step} (${took})`;
  switch (record.stepKind) {
    case "model": {
      const reply = modelReply.parse(record.output);
      const { usage } = reply;
      const tokens = usage === null ? "" : `, ${usage.inputTokens} + ${usage.outputTokens} tokens`;
      const calls = reply.toolCalls.map((call) => `→ ${call.tool} ${first(call.args)}`);
      return [
        `${record.step} (${took}${tokens})`,
        ...reply.text.split("\n").filter(Boolean),
        ...calls,
      ];
    }
    case "tool":
      return [head, ...toolOutput.parse(record.output).text.split("\n").slice(0, 12)];
    case "workspace": {
      const info = treeInfo.parse(record.output);
      const left = info.leftOut.map(({ path, reason }) => `left out: ${path} (${reason})`);
      return [`${head}: ${info.files} files copied, ${info.bytes} bytes`, ...left.slice(0, 8)];
    }
    case "apply":
      return [head];
  }
}

function subjectLines(wait: OpenWait): readonly string[] {
  const { subject } = wait;
  switch (subject.kind) {
    case "tool":
      return [`$ ${subject.what}`, `in ${subject.where}`];
    case "question":
      return subject.choices.map((choice) => `- ${choice}`);
    case "apply":
      return subject.changes.flatMap(({ path, change, diff, conflict }) => [
        conflict === null ? `${change} ${path}` : `left alone: ${path} (${conflict})`,
        ...(conflict === null && diff !== null ? diff.split("\n") : []),
      ]);
    case "inDoubt":
      return [`operation ${subject.operation}`];
  }
}

/** One line of `cairn sessions`. */
export function printEntry(entry: SessionEntry): string {
  const interrupted = entry.status === "running" && !entry.held;
  const status = interrupted ? "interrupted" : entry.status;
  const when = new Date(entry.startedAt).toISOString().slice(0, 16).replace("T", " ");
  return plain(`${entry.session}  ${status.padEnd(12)} ${when}  ${first(entry.goal)}\n`);
}

/** The command that answers a wait, ready to copy. */
export function answerCommand(wait: OpenWait, workspace: string): string {
  const suggested = suggestedAnswer(wait);
  const value = typeof suggested === "string" ? quoted(suggested) : "approve";
  const folder = workspace === "." ? "" : ` --workspace ${quoted(workspace)}`;
  return `cairn answer${folder} ${wait.session} ${wait.wait} ${value}`;
}

function quoted(text: string): string {
  return /^[A-Za-z0-9_./:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function first(text: string): string {
  const line = text.split("\n")[0] ?? "";
  const more = text.length > line.length;
  return line.length > 160 ? `${line.slice(0, 160)}…` : `${line}${more ? " …" : ""}`;
}

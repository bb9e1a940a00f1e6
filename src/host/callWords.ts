import * as z from "zod";
import { compaction } from "../core/conversation.ts";
import type { CallView } from "../core/replay.ts";
import { inline } from "./plainMarkdown.ts";

/** What a call was asked to do: a command as it ran, other arguments as JSON. */
export function callInput(call: CallView): { readonly language: string; readonly text: string } {
  if (call.kind === "model") return { language: "text", text: call.input };
  let args: unknown;
  try {
    args = JSON.parse(call.input);
  } catch {
    return { language: "text", text: call.input };
  }
  const command = commandArgs.safeParse(args);
  if (command.success) return { language: "sh", text: command.data.command };
  const edit = editArgs.safeParse(args);
  if (edit.success) {
    const { path, old, new: replacement, all } = edit.data;
    const where = all === true ? `${path}, every occurrence` : path;
    return {
      language: "diff",
      text: `@@ ${where}\n${lines("-", old)}\n${lines("+", replacement)}`,
    };
  }
  const write = writeArgs.safeParse(args);
  if (write.success)
    return { language: "text", text: `${write.data.path}\n\n${write.data.content}` };
  return { language: "json", text: JSON.stringify(args, null, 2) };
}

/** The same in a few words: the values, which say more than their names. */
export function callSummary(call: CallView): string {
  if (call.kind === "model") return call.output ?? "";
  const args = z
    .string()
    .transform(toJson)
    .pipe(z.record(z.string(), z.json()))
    .safeParse(call.input);
  if (!args.success) return call.input;
  return Object.values(args.data)
    .filter((value) => typeof value !== "object")
    .map(String)
    .join(" · ");
}

const commandArgs = z.strictObject({ command: z.string() });
const writeArgs = z.strictObject({ path: z.string(), content: z.string() });
const editArgs = z.strictObject({
  path: z.string(),
  old: z.string(),
  new: z.string(),
  all: z.boolean().optional(),
});

function lines(mark: string, text: string): string {
  return text.replaceAll(/^/gm, mark);
}

/** What came back, as people read it; null while there is nothing. */
export function callOutput({ kind, output }: CallView): string | null {
  if (kind !== "compaction" || output === null) return output;
  const parsed = z.string().transform(toJson).pipe(compaction).safeParse(output);
  if (!parsed.success) return output;
  const { before, after, shortened } = parsed.data;
  const texts =
    shortened.length === 1 ? "1 older text was" : `${shortened.length} older texts were`;
  return `${texts} shortened to fit the model's window: about ${count(before)} tokens before, ${count(after)} after. The whole texts stay on record.`;
}

/** A call in one line: what it was, how it came, what it used and changed. */
export function callTitle(call: CallView): string {
  return [
    called(call),
    came(call),
    ...(call.usage === null
      ? []
      : [`${count(call.usage.inputTokens)} in, ${count(call.usage.outputTokens)} out`]),
    ...(call.ok ? [] : ["failed"]),
    ...(call.checkpoint ? [] : ["checkpoint off"]),
    ...(call.cache === "off" ? ["cache off"] : []),
    ...(call.treeAfter === call.treeBefore ? [] : [`files ${call.treeAfter.slice(0, 8)}`]),
  ].join(" · ");
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

export function count(tokens: number): string {
  return tokens.toLocaleString("en");
}

function called({ kind, name }: CallView): string {
  switch (kind) {
    case "model":
      return `Model ${inline(name)}`;
    case "compaction":
      return "Compaction";
    case "artifact":
      return `Saved ${inline(name)}`;
    case "value":
      return `Value ${inline(name)}`;
    case "step":
      return `Step ${inline(name)}`;
    case "tool":
    case "workspace":
    case "apply":
    case "turn":
    case "log":
      return inline(name);
  }
}

function came({ output, via, lookup, durationMs }: CallView): string {
  if (output === null) return "no outcome yet";
  switch (via) {
    case "run":
      return `ran in ${duration(durationMs)}`;
    case "replay":
      return lookup?.verdict === "absent" ? "not in the recording" : "served from the recording";
    case "cache":
      return "served from the workspace's cache";
    case "override":
      return "given by hand";
  }
}

function toJson(text: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: "custom", message: "not JSON" });
    return z.NEVER;
  }
}

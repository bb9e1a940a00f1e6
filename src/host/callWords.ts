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
  const command = z.strictObject({ command: z.string() }).safeParse(args);
  if (command.success) return { language: "sh", text: command.data.command };
  return { language: "json", text: JSON.stringify(args, null, 2) };
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

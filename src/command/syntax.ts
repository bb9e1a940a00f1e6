import { type CommandNode, parse, type PipelineNode, type Redirection, type Word } from "unbash";
import type { CommandPart, StreamChange } from "../core/action.ts";
import type { Spoken } from "./spoken.ts";

type Join = CommandPart["join"];

/** Reads the same by a parser of all of bash. Null for every node that is not in the closed set. */
export function readSyntax(text: string): readonly Spoken[] | null {
  let script: ReturnType<typeof parse>;
  try {
    script = parse(text);
  } catch {
    return null;
  }
  if ((script.errors ?? []).length > 0) return null;
  const parts: Spoken[] = [];
  for (const { command, background } of script.commands) {
    if (background === true) return null;
    const join = parts.length === 0 ? null : "then";
    const read = command.type === "AndOr" ? readAndOr(command, join) : readPipeline(command, join);
    if (read === null) return null;
    parts.push(...read);
  }
  return parts;
}

function readAndOr(
  node: { readonly commands: readonly PipelineNode[]; readonly operators: readonly string[] },
  first: Join,
): readonly Spoken[] | null {
  const parts: Spoken[] = [];
  for (const [index, command] of node.commands.entries()) {
    const join = index === 0 ? first : node.operators[index - 1] === "&&" ? "and" : "or";
    const read = readPipeline(command, join);
    if (read === null) return null;
    parts.push(...read);
  }
  return parts;
}

function readPipeline(node: PipelineNode, first: Join): readonly Spoken[] | null {
  if (node.type !== "Pipeline") return listOf(readCommand(node, first));
  if (node.prefixes.length > 0 || node.operators.some((written) => written !== "|")) return null;
  const parts = node.commands.map((command, index) =>
    readCommand(command, index === 0 ? first : "pipe"),
  );
  return parts.every((part) => part !== null) ? parts : null;
}

function listOf(part: Spoken | null): readonly Spoken[] | null {
  return part === null ? null : [part];
}

function readCommand(node: CommandNode, join: Join): Spoken | null {
  if (node.type !== "Command" || node.name === undefined || node.prefix.length > 0) return null;
  const argv: string[] = [];
  const streams: StreamChange[] = [];
  for (const part of [node.name, ...node.suffix]) {
    if (part.type === "Word") {
      if (!isLiteral(part)) return null;
      argv.push(part.value);
      continue;
    }
    const stream = part.type === "Redirect" ? readStream(part) : null;
    if (stream === null) return null;
    streams.push(stream);
  }
  return { argv, join, ...(streams.length === 0 ? {} : { streams }) };
}

function isLiteral({ parts = [] }: Word): boolean {
  return parts.every(
    (part) =>
      part.type === "Literal" ||
      part.type === "SingleQuoted" ||
      (part.type === "DoubleQuoted" && part.parts.every(({ type }) => type === "Literal")),
  );
}

function readStream(node: Redirection): StreamChange | null {
  if (node.type !== "Redirect" || node.target === undefined || !isLiteral(node.target)) return null;
  if (node.descriptor !== undefined && node.descriptor.type !== "FileDescriptor") return null;
  const written = `${node.descriptor?.value ?? 1}${node.operator}${node.target.value}`;
  if (written === "2>&1") return written;
  if (written === "2>/dev/null") return written;
  return written === "1>/dev/null" ? ">/dev/null" : null;
}

import { findNodeAtLocation, parseTree, type Node, type ParseError } from "jsonc-parser";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import { rule, type Rule } from "../core/rule.ts";

const ruleFile = z.strictObject({ rules: z.array(rule) });

/**
 * The rules of a file that people write: JSON, comments allowed. All of it counts or nothing.
 * Throws `rules.invalid` with the line and the column.
 */
export function parseRules(text: string, path: string): readonly Rule[] {
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: false });
  const [error] = errors;
  if (tree === undefined || error !== undefined) {
    throw invalid(text, path, { offset: error?.offset ?? 0, says: "this is not JSON" });
  }
  const twice = repeatedName(tree);
  if (twice !== null) throw invalid(text, path, twice);
  const parsed = ruleFile.safeParse(valueOf(tree));
  if (!parsed.success) throw invalid(text, path, located(tree, parsed.error));
  const { rules } = parsed.data;
  const seen = new Set<string>();
  for (const [index, { id }] of rules.entries()) {
    if (seen.has(id)) {
      const offset = findNodeAtLocation(tree, ["rules", index, "id"])?.offset ?? 0;
      throw invalid(text, path, { offset, says: `the id "${id}" is there already` });
    }
    seen.add(id);
  }
  return rules;
}

interface Fault {
  readonly offset: number;
  readonly says: string;
}

function invalid(text: string, path: string, { offset, says }: Fault): CairnError {
  const before = text.slice(0, offset).split("\n");
  const line = before.length;
  const column = (before.at(-1)?.length ?? 0) + 1;
  return new CairnError(
    "rules.invalid",
    `${path}, line ${line}, column ${column}: ${says}. Mend it there.`,
    { details: { path, line, column } },
  );
}

function located(tree: Node, error: z.ZodError): Fault {
  const [issue] = error.issues;
  const at = (issue?.path ?? []).filter((name) => typeof name !== "symbol");
  const keys = issue?.code === "unrecognized_keys" ? issue.keys : [];
  const node = findNodeAtLocation(tree, [...at, ...keys.slice(0, 1)]);
  const place = keys.length > 0 ? node?.parent : (node ?? nearest(tree, at));
  const name = at.at(-1);
  const about = typeof name === "string" && keys.length === 0 ? `${name} ` : "";
  return { offset: place?.offset ?? 0, says: `${about}${issue?.message ?? "does not fit"}` };
}

/** What is missing has no place of its own: where it should be. */
function nearest(tree: Node, path: readonly (string | number)[]): Node {
  for (let length = path.length; length > 0; length -= 1) {
    const node = findNodeAtLocation(tree, path.slice(0, length));
    if (node !== undefined) return node;
  }
  return tree;
}

/** Two values under one name are a mistake that a parser would hide. */
function repeatedName(node: Node): Fault | null {
  const names = new Set<unknown>();
  for (const child of node.children ?? []) {
    const [key] = child.type === "property" ? (child.children ?? []) : [];
    if (key !== undefined && names.has(key.value)) {
      return { offset: key.offset, says: `"${String(key.value)}" is there twice` };
    }
    if (key !== undefined) names.add(key.value);
    const inside = repeatedName(child);
    if (inside !== null) return inside;
  }
  return null;
}

/** Names as own properties, whatever they are called. */
function valueOf(node: Node): unknown {
  if (node.type === "array") return (node.children ?? []).map(valueOf);
  if (node.type !== "object") return node.value;
  const entries = (node.children ?? []).map(({ children = [] }) => {
    const [key, value] = children;
    return [String(key?.value), value === undefined ? null : valueOf(value)] as const;
  });
  return Object.fromEntries(entries);
}

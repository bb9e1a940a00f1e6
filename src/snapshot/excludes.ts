import { CairnError } from "../core/errors.ts";
import { isSecretFile } from "../core/secretFile.ts";
import type { HeldDirectory } from "./heldDirectory.ts";

/** Our own records are nobody's work: that they are not copied is no news. */
export const ours = ".cairn";

/** Never part of a session's copy when it starts, each with the reason. */
const always = new Map([
  [ours, "Cairn keeps its records there"],
  [".git", "the session gets no history, and git runs hooks"],
  ["node_modules", "installed packages; the session can install its own"],
]);

const mayHoldSecrets =
  "it may hold secrets; name it in the setting cairn.workspace.include or with --include to copy it";

/** What is chosen of a folder, each as lines of a `.gitignore`. */
export interface Choice {
  readonly exclude: readonly string[];
  /** Files that may hold secrets and are copied all the same. */
  readonly include: readonly string[];
}

interface Rule {
  readonly line: string;
  readonly keeps: boolean;
  readonly onlyFolders: boolean;
  readonly matches: RegExp;
}

/**
 * What a copy of the user's folder leaves out: what it always does, files that may hold secrets
 * unless they are included, and what is excluded. Throws `usage.invalid` for a line that means nothing.
 */
export function excludes({
  exclude,
  include,
}: Choice): (path: string, isFolder: boolean) => string | null {
  const rules = exclude.flatMap(ruleOf);
  const wanted = include.flatMap(ruleOf);
  return (path, isFolder) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const reason = always.get(name);
    if (reason !== undefined) return reason;
    if (isSecretFile(name) && !isFolder && deciding(wanted, path, false)?.keeps !== false)
      return mayHoldSecrets;
    const rule = deciding(rules, path, isFolder);
    return rule === undefined || rule.keeps ? null : `excluded by ${rule.line}`;
  };
}

/** As in git the last line that fits decides. */
function deciding(rules: readonly Rule[], path: string, isFolder: boolean): Rule | undefined {
  return rules.findLast(
    ({ matches, onlyFolders }) => matches.test(path) && (!onlyFolders || isFolder),
  );
}

const ignoreFile = ".cairnignore";
const maxIgnoreBytes = 64 * 1024;

/** The lines of the folder's `.cairnignore`; none where it has none, or one that is no plain file. */
export function ignoreLines(folder: HeldDirectory): readonly string[] {
  const stat = folder.stat(ignoreFile);
  if (stat?.isFile() !== true || stat.size > maxIgnoreBytes) return [];
  return new TextDecoder().decode(folder.read(ignoreFile, stat)).split(/\r?\n/);
}

function ruleOf(line: string): readonly Rule[] {
  const text = line.trimEnd();
  if (text === "" || text.startsWith("#")) return [];
  const keeps = text.startsWith("!");
  const pattern = text.replace(/^!|^\\(?=[!#])/, "");
  const body = pattern.replace(/\/$/, "").replace(/^\//, "");
  if (body === "" || body.includes("//")) throw meaningless(line);
  // A slash anywhere but at the end ties a pattern to the top; without one it fits at any depth.
  const anchored = pattern.replace(/\/$/, "").includes("/");
  const source = `^${anchored ? "" : "(?:.*/)?"}${expression(body)}$`;
  return [
    { line: text, keeps, onlyFolders: pattern.endsWith("/"), matches: compiled(source, line) },
  ];
}

function compiled(source: string, line: string): RegExp {
  try {
    return new RegExp(source, "su");
  } catch (error) {
    throw meaningless(line, error);
  }
}

function meaningless(line: string, cause?: unknown): CairnError {
  return new CairnError(
    "usage.invalid",
    `${JSON.stringify(line)} excludes nothing. Write a name like dist, a folder like out/ or a path like /docs/*.pdf.`,
    { cause },
  );
}

function expression(pattern: string): string {
  const parts = pattern.match(/\*\*\/|\/\*\*$|\*+|\?|\\.|\[[^\]/]+\]|./gsu) ?? [];
  return parts.map(expressionOf).join("");
}

function expressionOf(part: string): string {
  if (part === "**/") return "(?:.*/)?";
  if (part === "/**") return "/.*";
  if (part.startsWith("*")) return "[^/]*";
  if (part === "?") return "[^/]";
  if (part.length > 2) return part.replace(/^\[!/, "[^").replaceAll("\\", "\\\\");
  const plain = part.startsWith("\\") ? part.slice(1) : part;
  return plain.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
}

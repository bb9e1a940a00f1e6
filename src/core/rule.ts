import * as z from "zod";
import { verdict } from "./records.ts";

/**
 * Who wrote a rule: the machine's administrator, the user, the folder (which can only tighten), or
 * one session: its profile, and what was allowed in it.
 */
export const ruleScope = z.enum(["managed", "user", "workspace", "session"]);
export type RuleScope = z.infer<typeof ruleScope>;

const line = z
  .string()
  .max(500)
  .regex(/^\P{Cc}*$/u, "has a control character");

/**
 * What somebody decided once for many actions, as data. No patterns and no priorities: a word is a
 * word, and of all rules that fit, the strictest counts.
 */
export const rule = z
  .strictObject({
    id: z.string().regex(/^[\w.-]{1,100}$/, "is 1 to 100 letters, digits, dots and dashes"),
    decision: verdict,
    /** One tool by its name, or `*` for each. */
    tool: z.string().regex(/^(?:\*|[\w.-]{1,100})$/, "is the name of a tool, or *"),
    /** The first words of a command, as bash would hand them to the program; `more`: others may follow. */
    command: z.exactOptional(
      z.strictObject({ words: z.array(z.string()).min(1).max(1000), more: z.boolean() }),
    ),
    /** A file that the call names, from the root of the workspace; with a `/` at its end, all in a folder. */
    path: z.exactOptional(
      z
        .string()
        .min(1)
        .refine(
          (path) => !path.startsWith("/") && !path.split("/").includes(".."),
          "begins at the root of the workspace, without a leading / and without ..",
        ),
    ),
    /** Only in this folder of the user. */
    folder: z.exactOptional(z.string().min(1)),
    /** Only in this session. */
    session: z.exactOptional(z.string().min(1)),
    /** For people. */
    note: z.exactOptional(line),
  })
  .refine((one) => one.command === undefined || one.path === undefined, {
    error: "has a command or a path, not both",
    path: ["path"],
  });
export type Rule = z.infer<typeof rule>;

export interface ScopedRule {
  readonly rule: Rule;
  readonly scope: RuleScope;
}

/** All rules as they are now. */
export interface RuleSet {
  readonly rules: readonly ScopedRule[];
  /** Why some rules could not be read, in a sentence; nothing is allowed then. Null when all were. */
  readonly doubt: string | null;
}

export const noRules: RuleSet = { rules: [], doubt: null };

/** What a rule does, in one sentence: what is shown before it is saved, and wherever it decides. */
export function ruleSentence(one: Rule): string {
  const where = [
    one.path === undefined ? "" : one.path.endsWith("/") ? ` in ${one.path}` : ` on ${one.path}`,
    one.session === undefined ? "" : " in this session",
    one.folder === undefined ? "" : ` in ${one.folder}`,
  ].join("");
  return `${verbs[one.decision]} ${subjectOf(one)}${where}.`;
}

const verbs = { allow: "Allows", ask: "Asks before", deny: "Denies" } as const;

function subjectOf({ tool, command }: Rule): string {
  if (command !== undefined) {
    const words = command.words.map(shownWord).join(" ");
    return command.more ? `commands that begin with ${words}` : `the command ${words}`;
  }
  if (tool === "*") return "every call of every tool";
  return tool === "exec" ? "every command" : `every call of ${tool}`;
}

/** A word that could be read as something else stands in quotes. */
function shownWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word);
}

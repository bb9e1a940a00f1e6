import { ruleSentence, type ScopedRule } from "./rule.ts";

/** All rules as they are now, and what of the files does not count. */
export interface RuleList {
  readonly rules: readonly ScopedRule[];
  /** A sentence each. */
  readonly notices: readonly string[];
}

const scopes = {
  managed: "this machine",
  user: "you",
  workspace: "this folder",
  session: "one session",
} as const;

/** Rules as a person reads them, a line each, with what does not count at the end. */
export function ruleLines({ rules, notices }: RuleList): readonly string[] {
  const lines = rules.map(({ rule, scope }) => {
    const ignored = scope === "workspace" && rule.decision === "allow" ? " (ignored)" : "";
    const bound = rule.session === undefined ? "" : ` (${rule.session})`;
    const note = rule.note === undefined ? "" : `  ${rule.note}`;
    return `${rule.id}  ${scopes[scope]}${bound}: ${ruleSentence(rule)}${ignored}${note}`;
  });
  const none = "There are no rules: what a session may do is for its profile to say.";
  return [...(lines.length === 0 ? [none] : lines), ...notices];
}

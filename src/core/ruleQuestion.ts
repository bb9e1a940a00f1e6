import type { Question } from "./askTogether.ts";
import type { FileChange } from "./waitSubject.ts";
import { folderRules } from "./rule.ts";
import type { ToldRules } from "./toldRules.ts";

/** A change of a folder's own rules, between which trees, and whether it takes back an earlier one. */
export interface RuleProposal {
  readonly base: string;
  readonly tree: string;
  readonly change: GoverningChange;
  readonly isUndo: boolean;
}

export type GoverningChange = FileChange & { readonly rules: ToldRules };

/** Whether a change is one of the folder's own rules. */
export function governs(change: FileChange): change is GoverningChange {
  return change.rules !== undefined;
}

/** The approval of such a change: what it means in sentences, and the file as it would be written. */
export function ruleQuestion({ base, tree, change, isUndo }: RuleProposal): Omit<Question, "wait"> {
  const { rules, ...written } = change;
  const made = `a change that the session made to ${folderRules}`;
  const question = isUndo
    ? "Take back a change of the rules of this folder?"
    : "Change the rules of this folder?";
  const subject = {
    kind: "rule" as const,
    sentence: rules.says.join("\n"),
    scope: "this folder, for everybody who works in it",
    from: isUndo ? `taking back ${made}` : made,
    ...(rules.risk === null ? {} : { risk: rules.risk }),
    change: written,
    ...(rules.adds.length === 0 ? {} : { adds: rules.adds }),
    base,
    tree,
  };
  return { question, subject };
}
